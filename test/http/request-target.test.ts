import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Denied } from '../../gateway/errors.ts'
import {
  formatRequestTarget,
  parseRequestTarget,
  queryFacts,
  targetLimit,
  withoutPrefix,
} from '../../gateway/http/request-target.ts'

describe('a path', () => {
  test('is decoded once', () => {
    expect(parseRequestTarget('/orders/a%20b/%C3%A9')).toEqual({
      path: '/orders/a b/é',
      segments: ['orders', 'a b', 'é'],
      query: [],
    })
  })

  test('keeps a slash at its end, which makes no segment', () => {
    expect(parseRequestTarget('/orders/')).toMatchObject({ path: '/orders/', segments: ['orders'] })
    expect(parseRequestTarget('/')).toMatchObject({ path: '/', segments: [] })
  })

  test('may come in absolute form, whatever the host', () => {
    expect(parseRequestTarget('http://other.example:81/orders?a=1')).toEqual(
      parseRequestTarget('/orders?a=1'),
    )
    expect(parseRequestTarget('HTTPS://other.example').path).toBe('/')
  })

  test.each([
    ['/a/../b', 'segment'],
    ['/a/./b', 'segment'],
    ['/a/..', 'segment'],
    ['/a/%2e%2e/b', 'segment'],
    ['/a/.%2E/b', 'segment'],
    ['/a/%2e', 'segment'],
    ['/a/..;x=1/b', 'segment'],
    ['/a/..%20/b', 'segment'],
    ['/a/%20.%2e/b', 'segment'],
    ['/a/.../b', 'segment'],
    ['/a/;x/b', 'empty'],
    ['/a//b', 'empty'],
    ['//a', 'empty'],
    ['/a//', 'empty'],
    ['/a%2fb', 'slash'],
    ['/a%2Fb', 'slash'],
    ['/a%5cb', 'slash'],
    ['/a\\b', 'backslash'],
    ['/a%00b', 'control'],
    ['/a%0d%0ab', 'control'],
    ['/a%7f', 'control'],
    ['/a%C2%85', 'control'],
    ['/a%252e', 'twice'],
    ['/a/%252f..%252f', 'twice'],
    ['/a%c0%ae', 'UTF-8'],
    ['/a%ff', 'UTF-8'],
    ['/a%ed%a0%80', 'UTF-8'],
    ['/a%', 'UTF-8'],
    ['/a%zz', 'UTF-8'],
    ['/a%u002f', 'UTF-8'],
    ['/a#b', 'fragment'],
    ['/a?b#c', 'fragment'],
    ['/a b', 'ASCII'],
    ['/a\tb', 'ASCII'],
    ['/caf\u00e9', 'ASCII'],
    ['a/b', 'slash'],
    ['*', 'slash'],
    ['ftp://host/a', 'slash'],
  ])('%j is refused', (raw, why) => {
    expect(() => parseRequestTarget(raw)).toThrow(Denied)
    expect(() => parseRequestTarget(raw)).toThrow(why)
  })

  test('longer than the limit is refused as too large', () => {
    expect(() => parseRequestTarget(`/${'a'.repeat(targetLimit)}`)).toThrow(
      expect.objectContaining({ code: 'too_large' }),
    )
  })
})

describe('a query', () => {
  test('is read into pairs, in order, with all values of a name', () => {
    const { query } = parseRequestTarget('/?b=1&a=x+y%2B&b=%32&flag&&empty=')

    expect(query).toEqual([
      ['b', '1'],
      ['a', 'x y+'],
      ['b', '2'],
      ['flag', undefined],
      ['empty', ''],
    ])
    expect(queryFacts(query)).toEqual({ b: ['1', '2'], a: ['x y+'], flag: [''], empty: [''] })
  })

  test('holds names that objects are made of as plain names', () => {
    const facts = queryFacts(parseRequestTarget('/?__proto__=1&constructor=2').query)

    expect(JSON.stringify(facts)).toBe('{"__proto__":["1"],"constructor":["2"]}')
  })

  test.each(['/?a=%ff', '/?%c0%80=1', '/?a=%', '/?a=%00'])('%j is refused', (raw) => {
    expect(() => parseRequestTarget(raw)).toThrow(Denied)
  })
})

describe('what is forwarded', () => {
  test.each([
    ['/a%20b/%7Euser/x:y@z', '/a%20b/~user/x:y@z'],
    ['/a;b=1/c', '/a%3Bb=1/c'],
    ["/a/'(x)'", '/a/%27%28x%29%27'],
    ['/orders/', '/orders/'],
    ['/?q=a+b&q=%3Cc%3E&flag&e=', '/?q=a%20b&q=%3Cc%3E&flag&e='],
    ['/?a=1;b=2', '/?a=1%3Bb%3D2'],
    ['/?', '/'],
  ])('%s goes out as %s', (raw, written) => {
    expect(formatRequestTarget(parseRequestTarget(raw))).toBe(written)
  })

  test('says the same to the next reader, and to every URL parser', () => {
    const segment = fc.string({ unit: 'binary', minLength: 1 }).map(encodeURIComponent)
    const pairs = fc.array(fc.tuple(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' })))
    fc.assert(
      fc.property(fc.array(segment), pairs, (segments, query) => {
        const search = query.map(
          ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
        )
        const raw = `/${segments.join('/')}?${search.join('&')}`
        const parsed = attempt(() => parseRequestTarget(raw))
        fc.pre(parsed !== undefined)

        const written = formatRequestTarget(parsed)

        expect(parseRequestTarget(written)).toEqual(parsed)
        const url = new URL(written, 'http://target')
        expect(url.pathname + url.search).toBe(written)
        expect([...url.searchParams]).toEqual(parsed.query)
      }),
    )
  })

  test('has lost the prefix, and keeps the rest', () => {
    expect(formatRequestTarget(withoutPrefix(parseRequestTarget('/http/shop/a/b/?c'), 2))).toBe('/a/b/?c')
    expect(withoutPrefix(parseRequestTarget('/http/shop/'), 2)).toMatchObject({ path: '/', segments: [] })
    expect(withoutPrefix(parseRequestTarget('/http/shop'), 2)).toMatchObject({ path: '/', segments: [] })
  })
})

function attempt<T>(make: () => T): T | undefined {
  try {
    return make()
  } catch {
    return undefined
  }
}
