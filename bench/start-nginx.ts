import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from '../test/support/child.ts'
import { freePort, waitForPort } from '../test/support/free-port.ts'

export interface Nginx {
  readonly port: number
  stop(): Promise<void>
}

/** A small API that answers at once, always the same. */
export function startOrigin(): Promise<Nginx> {
  const order = { id: 7, customer: 'Ada', email: 'ada@example.com', total: '19.90', items: ['pen', 'ink'] }
  return startNginx(`location / { default_type application/json; return 200 '${JSON.stringify(order)}'; }`)
}

/** nginx as a reverse proxy with kept connections. */
export function startNginxProxy(originPort: number): Promise<Nginx> {
  return startNginx(
    'location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; }',
    `upstream origin { server 127.0.0.1:${originPort}; keepalive 64; keepalive_requests 1000000; }`,
  )
}

async function startNginx(location: string, upstream = ''): Promise<Nginx> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-nginx-'))
  const port = await freePort()
  const file = join(directory, 'nginx.conf')
  await writeFile(
    file,
    `
    daemon off;
    worker_processes 1;
    pid ${directory}/pid;
    error_log stderr;
    events { worker_connections 1024; }
    http {
      access_log off;
      keepalive_requests 1000000;
      ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `${kind}_temp_path ${directory}/${kind};`).join('\n')}
      ${upstream}
      server { listen 127.0.0.1:${port}; ${location} }
    }`,
  )
  const child = startChild('nginx', ['-p', directory, '-c', file], { directory })
  await waitForPort(port)
  return {
    port,
    async stop() {
      await child.stop()
      await rm(directory, { recursive: true, force: true })
    },
  }
}
