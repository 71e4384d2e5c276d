/** A recording as Sluice wrote it before events told anything by reference, and the key that signed it. @module */

export const session = '01a20f4d-3963-7017-879d-8f9c5a5003f7'

export const publicKey = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAcUdazUm64jDbu1XC67cHA3AqohB2fkt86XhVRBk0d8E=
-----END PUBLIC KEY-----
`

export const events: readonly string[] = [
  '{"v":1,"seq":0,"at":"2025-11-24T16:00:00.000Z","prev":"0000000000000000000000000000000000000000000000000000000000000000","kind":"session-opened","session":"01a20f4d-3963-7017-879d-8f9c5a5003f7","protocol":"postgres","client":{"address":"127.0.0.1","application":"psql","user":"agent"},"principal":{"subject":"agent-7","issuer":"https://issuer.example","groups":["agents"],"actors":[]},"target":{"name":"shop","kind":"postgres","labels":{}},"hash":"558c92296fa4241ae75f139df82f62f4210fc30e5f1bdb526d8f4817a6a71bdc"}',
  '{"v":1,"seq":1,"at":"2025-11-24T16:00:00.000Z","prev":"558c92296fa4241ae75f139df82f62f4210fc30e5f1bdb526d8f4817a6a71bdc","kind":"operation","operation":"o1","protocol":"sql","action":"execute","text":"SELECT 1 AS n","read_only":true,"facts":{"status":"known","problems":[],"statements":1,"commands":["select"],"relations":[],"columns":[],"functions":[],"settings":[],"has_where":true},"hash":"a67efd755d8404316e9ffa105a416772af7b42562a4717faff87c67035f379c3"}',
  '{"v":1,"seq":2,"at":"2025-11-24T16:00:00.000Z","prev":"a67efd755d8404316e9ffa105a416772af7b42562a4717faff87c67035f379c3","kind":"result","operation":"o1","status":"complete","summary":["SELECT 1"],"rows":1,"bytes":12,"columns":[{"name":"n","type":23,"format":"text"}],"excerpt":{"base64":"RAAAAAsAAQAAAAEx"},"decision":{"effect":"allow","reasons":["agents may"],"masks":[],"revision":"r1"},"hash":"9ef4aef0414e08893deda66cb55db9f703afa425293515196d8fa5e76e431431"}',
  '{"v":1,"seq":3,"at":"2025-11-24T16:00:00.000Z","prev":"9ef4aef0414e08893deda66cb55db9f703afa425293515196d8fa5e76e431431","kind":"operation","operation":"o2","protocol":"sql","action":"execute","text":"SELECT 1 AS n","read_only":true,"facts":{"status":"known","problems":[],"statements":1,"commands":["select"],"relations":[],"columns":[],"functions":[],"settings":[],"has_where":true},"hash":"dd25b12f3234dbbd7f17ce0fb461e72c37f7e093929af87a579daccbca20cd07"}',
  '{"v":1,"seq":4,"at":"2025-11-24T16:00:00.000Z","prev":"dd25b12f3234dbbd7f17ce0fb461e72c37f7e093929af87a579daccbca20cd07","kind":"result","operation":"o2","status":"complete","summary":["SELECT 1"],"rows":1,"bytes":12,"columns":[{"name":"n","type":23,"format":"text"}],"excerpt":{"base64":"RAAAAAsAAQAAAAEx"},"decision":{"effect":"allow","reasons":["agents may"],"masks":[],"revision":"r1"},"hash":"ba08c97fe225e1b8aec65473b25f6097faff5f7c7da518e51bb5e6c9af8f5c83"}',
  '{"v":1,"seq":5,"at":"2025-11-24T16:00:00.000Z","prev":"ba08c97fe225e1b8aec65473b25f6097faff5f7c7da518e51bb5e6c9af8f5c83","kind":"session-closed","session":"01a20f4d-3963-7017-879d-8f9c5a5003f7","reason":"ended","counts":{"operations":2,"errors":0,"rows":2,"bytes":24},"key":"f0f94e57d714f63d","hash":"933ed35367e6c18dbdb58753c24b20f643c695df3ddd81c883e7b0ec93e5d5ec","signature":"CRGz136qUwiu6KyRw1k788DXpX6tqE5s5JKyvntqmDuitBI9dJX3lT-hd5MFVgs5cdvY_Is50GNzVH3FYB-_BQ"}',
]
