type Row = Readonly<Record<string, string | number>>

const firstNames = ['Ada', 'Bruno', 'Chiara', 'Dmitri', 'Elif', 'Farid', 'Greta', 'Hugo', 'Ingrid', 'Jonas']
const moreNames = ['Keiko', 'Lars', 'Mariam', 'Nuno', 'Olga', 'Pilar', 'Rashid', 'Sofia', 'Tariq', 'Yara']
const lastNames = ['Almeida', 'Becker', 'Costa', 'Dubois', 'Eriksen', 'Fischer', 'Garcia', 'Haddad', 'Ivanov']
const moreLastNames = [
  'Jansen',
  'Kowalski',
  'Lindgren',
  'Moreau',
  'Novak',
  'Okafor',
  'Rossi',
  'Sato',
  'Weber',
]
const countries = ['DE', 'DE', 'DE', 'FR', 'FR', 'ES', 'IT', 'NL', 'PL', 'SE']
const products = [
  'Kettle',
  'Lamp',
  'Notebook',
  'Backpack',
  'Headphones',
  'Desk',
  'Chair',
  'Mug',
  'Bicycle bell',
]
const moreProducts = ['Water bottle', 'Rain jacket', 'Tent', 'Sleeping bag', 'Camera', 'Tripod', 'Keyboard']
const statuses = ['open', 'paid', 'shipped', 'shipped', 'shipped', 'cancelled']
const services = ['web', 'checkout', 'search', 'mailer']
const day = 24 * 60 * 60 * 1000

/** A few hundred rows of a shop, the same ones every time. Nobody in here exists. */
export function shopData(): Readonly<Record<string, readonly Row[]>> {
  const random = numbers(20_261_101)
  const pick = <T>(list: readonly [T, ...T[]] | readonly T[]) => list[Math.floor(random() * list.length)] as T
  const between = (low: number, high: number) => low + Math.floor(random() * (high - low + 1))
  const daysAgo = (days: number) =>
    new Date(Date.UTC(2026, 10, 1, 9) - days * day - between(0, day)).toISOString()

  const customers = range(150).map((id) => {
    const first = pick([...firstNames, ...moreNames])
    const last = pick([...lastNames, ...moreLastNames])
    const email = `${first}.${last}.${id}@example.com`.toLowerCase()
    const phone = `+49 30 ${between(2_000_000, 9_999_999)}`
    return {
      id,
      name: `${first} ${last}`,
      email,
      phone,
      country: pick(countries),
      created_at: daysAgo(900 - id * 5),
    }
  })
  const goods = [...products, ...moreProducts].map((name, index) => ({
    id: index + 1,
    name,
    price: between(500, 30_000) / 100,
  }))
  const items = range(400).flatMap((order_id) =>
    range(between(1, 3)).map((line) => ({
      order_id,
      product_id: ((order_id * 7 + line * 5) % goods.length) + 1,
      quantity: between(1, 4),
    })),
  )
  const orders = range(400).map((id) => {
    const cents = items
      .filter((item) => item.order_id === id)
      .reduce(
        (sum, { product_id, quantity }) =>
          sum + Math.round((goods[product_id - 1]?.price ?? 0) * 100) * quantity,
        0,
      )
    return {
      id,
      customer_id: pick(customers).id,
      total: cents / 100,
      status: pick(statuses),
      created_at: daysAgo(400 - id),
    }
  })
  const payments = orders
    .filter(({ status }) => status === 'paid' || status === 'shipped')
    .map((order, index) => ({
      id: index + 1,
      order_id: order.id,
      card_number: `4000 0000 ${between(1000, 9999)} ${between(1000, 9999)}`,
      amount: order.total,
    }))
  const carts = range(90).map((id) => ({ id, customer_id: pick(customers).id, updated_at: daysAgo(id * 6) }))
  const deployments = range(40).map((id) => ({
    id,
    service: pick(services),
    version: `2.${id}.${between(0, 9)}`,
    deployed_at: daysAgo(200 - id * 5),
  }))
  return { customers, products: goods, orders, order_items: items, payments, carts, deployments }
}

function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}

/** Numbers in [0, 1) that only look random (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}
