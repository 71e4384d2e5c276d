/** The HTTP door: every address that the gateway answers, on web standards alone. @module */
import { Hono } from 'hono'
import { asDenied, Denied } from '../errors.ts'
import { api } from './api.ts'
import { approvalPage, isForBrowser } from './approval-page.ts'
import { problem } from './problem.ts'
import { proxy } from './proxy.ts'
import type { HttpServices, Peer } from './services.ts'

export type App = Hono<{ Bindings: Peer }>

/**
 * Runs wherever there are `Request` and `Response`; `runtime/` listens and says who is calling ({@link Peer}).
 *
 * @example (await app(services).request('/healthz')).status // 200
 */
export function app(services: HttpServices): App {
  const app: App = new Hono()

  app.all('/http/:target', (c) => proxy(services, c.req.raw, c.env))
  app.all('/http/:target/*', (c) => proxy(services, c.req.raw, c.env))

  app.route('/api', api(services))
  // Where notices and refusals send people: programs get the document itself.
  app.get('/approvals/:id', (c) => {
    c.header('vary', 'accept, authorization')
    if (isForBrowser(c)) return approvalPage(c, services.baseUrl)
    return c.redirect(`/api/approvals/${encodeURIComponent(c.req.param('id'))}`)
  })

  app.get('/healthz', (c) => c.text('ok\n'))
  app.get('/readyz', async (c) => {
    try {
      await services.ready()
      return c.text('ready\n')
    } catch (error) {
      services.log.warn({ err: error }, 'Cannot take traffic: the gateway is not ready')
      return c.text('not ready\n', 503)
    }
  })
  app.get('/metrics', async (c) =>
    c.body(await services.metrics(), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }),
  )

  app.notFound(() => problem(new Denied('not_found', 'Cannot find page: nothing is at this address')))
  app.onError((error) => {
    const denied = asDenied(error)
    if (denied.code === 'internal') services.log.error({ err: denied.cause }, denied.message)
    return problem(denied)
  })
  return app
}
