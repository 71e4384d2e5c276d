/**
 * What a person sees who follows the address of an approval in a browser. Browsers bring no token, so the page tells
 * how to answer and nothing of what is asked: it is the same whether there is such an approval or not.
 *
 * @module
 */
import { createHash } from 'node:crypto'
import type { Context } from 'hono'
import { accepts } from 'hono/accepts'
import { html, raw } from 'hono/html'
import { readApprovalId } from '../approvals/approval-id.ts'
import { challengeWithoutToken } from './problem.ts'

/** Would this request be answered best by the page? Programs ask for JSON, or bring a token. */
export function isForBrowser(c: Context): boolean {
  if (c.req.header('authorization') !== undefined) return false
  return accepts(c, { header: 'Accept', supports: [json, page], default: json }) === page
}

/** @param baseUrl where people reach the gateway; empty where nobody configured it */
export function approvalPage(c: Context, baseUrl: string): Response | Promise<Response> {
  const asked = c.req.param('id') ?? ''
  // Commands on a page are copied into terminals: only what is an id may become part of one.
  const id = readApprovalId(asked) ? asked : '<id>'
  return c.html(told(id, baseUrl), 401, {
    'cache-control': 'no-store',
    'content-security-policy': `default-src 'none'; style-src 'sha256-${styleDigest}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`,
    'referrer-policy': 'no-referrer',
    'www-authenticate': challengeWithoutToken,
    'x-content-type-options': 'nosniff',
  })
}

const json = 'application/json'
const page = 'text/html'

const style = `
body { max-width: 48rem; margin: 3rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif; color: #1a1a1a; background: #fff }
h1 { font-size: 1.4rem }
li { margin: 1rem 0 }
pre { overflow-x: auto; padding: .6rem .8rem; background: #f2f2f2; border-radius: .3rem; font-size: .9rem }
@media (prefers-color-scheme: dark) { body { color: #e6e6e6; background: #161616 } pre { background: #262626 } }
`
const styleDigest = createHash('sha256').update(style).digest('base64')

function told(id: string, baseUrl: string) {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Approval · Sluice</title>
<style>${raw(style)}</style>
</head>
<body>
<h1>Something may wait for your answer</h1>
<p>Where policy says so, Sluice holds what an agent asks for until people have agreed. This is the address of such a
question. What is asked is shown only to people who may answer it, and who prove with a token who they are. A browser
has no token: answer from a terminal.</p>
<ol>
<li>Say where the gateway is and who you are. The token is one of your own, from your identity provider.
<pre>export SLUICE_URL=${baseUrl || '<the address of this page, without /approvals/…>'}
export SLUICE_TOKEN="$(cat token.txt)"</pre>
<li>Read what is asked, by whom, and why it needs you.
<pre>sluice approvals show ${id}</pre>
<li>Answer it.
<pre>sluice approvals approve ${id} --comment "why"
sluice approvals reject ${id} --comment "why"</pre>
</ol>
<p>Nobody can answer what they asked for themselves. If you have no token, or the gateway knows nothing of this id when
you ask with it, turn to whoever runs the gateway.</p>
</body>
</html>
`
}
