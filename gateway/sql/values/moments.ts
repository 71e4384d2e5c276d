/**
 * date, time, timestamp, timestamptz. As text only in ISO style: under another DateStyle nothing is understood.
 *
 * @module
 */
import type { TimeUnit } from '../../decision.ts'
import { type CodecOf, viewOf } from './codec.ts'
import { floorDivide } from './decimal.ts'

const second = 1_000_000n
const hour = 3_600n * second
const day = 24n * hour

/** Days from 1970-01-01 to 2000-01-01, where PostgreSQL begins to count. */
const epochDays = 10_957

/** What stands for `infinity` and `-infinity`. */
const [mostDays, leastDays] = [2 ** 31 - 1, -(2 ** 31)]
const [mostMoment, leastMoment] = [2n ** 63n - 1n, -(2n ** 63n)]

const datePattern = /^(\d{4,7})-(\d\d)-(\d\d)( BC)?$/
const timePattern = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?$/
const timestampPattern =
  /^(\d{4,7}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d(?:\.\d{1,6})?)(?:Z|([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?)?( BC)?$/

export const date: CodecOf<'moment'> = {
  family: 'moment',
  type: 'date',
  holds: 'date',
  parse: parseDate,
  print: printDate,
  read(bytes) {
    if (bytes.length !== 4) return undefined
    const days = viewOf(bytes).getInt32(0)
    return days === mostDays || days === leastDays ? undefined : BigInt(days) * day
  },
  write(value) {
    const written = new Uint8Array(4)
    viewOf(written).setInt32(0, Number(floorDivide(value, day)))
    return written
  },
}

export const time: CodecOf<'moment'> = {
  family: 'moment',
  type: 'time',
  holds: 'time',
  parse: parseTime,
  print: printTime,
  read: readMicroseconds,
  write: writeMicroseconds,
}

export const timestamp: CodecOf<'moment'> = {
  family: 'moment',
  type: 'timestamp',
  holds: 'both',
  parse: (text) => parseTimestamp(text, false),
  print: (value) => printTimestamp(value),
  read: readMicroseconds,
  write: writeMicroseconds,
}

/**
 * Always shown in UTC. In the session's zone it would be cut where that one's days begin, and an agent that changes
 * the zone would find out the hour.
 */
export const timestamptz: CodecOf<'moment'> = {
  family: 'moment',
  type: 'timestamptz',
  holds: 'both',
  parse: (text) => parseTimestamp(text, true),
  print: (value) => printTimestamp(value, '+00'),
  read: readMicroseconds,
  write: writeMicroseconds,
}

/** The beginning of the year, month, day or hour. */
export function truncated(value: bigint, to: TimeUnit): bigint {
  const days = floorDivide(value, day)
  switch (to) {
    case 'hour':
      return floorDivide(value, hour) * hour
    case 'day':
      return days * day
    case 'month': {
      const { year, month } = civil(Number(days))
      return BigInt(daysFrom(year, month, 1)) * day
    }
    case 'year':
      return BigInt(daysFrom(civil(Number(days)).year, 1, 1)) * day
  }
}

function parseDate(text: string): bigint | undefined {
  const [, year, month, dayOfMonth, era] = datePattern.exec(text) ?? []
  if (year === undefined) return undefined
  // There is no year 0: 1 BC comes before AD 1.
  const astronomical = era ? 1 - Number(year) : Number(year)
  const days = daysFrom(astronomical, Number(month), Number(dayOfMonth))
  const found = civil(days)
  return found.month === Number(month) && found.day === Number(dayOfMonth) ? BigInt(days) * day : undefined
}

function printDate(value: bigint): string {
  const { year, month, day: dayOfMonth } = civil(Number(floorDivide(value, day)))
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0')
  return `${shown}-${two(month)}-${two(dayOfMonth)}${year > 0 ? '' : ' BC'}`
}

function parseTime(text: string): bigint | undefined {
  const [, hours, minutes, seconds, fraction = ''] = timePattern.exec(text) ?? []
  if (hours === undefined) return undefined
  const whole = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  const value = BigInt(whole) * second + BigInt(fraction.padEnd(6, '0'))
  return value <= day && Number(minutes) < 60 && Number(seconds) < 60 ? value : undefined
}

function printTime(value: bigint): string {
  const seconds = Number(value / second)
  const fraction = value % second
  const shown = fraction === 0n ? '' : `.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`
  return `${two(Math.floor(seconds / 3600))}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}${shown}`
}

function parseTimestamp(text: string, hasZone: boolean): bigint | undefined {
  const [, dateText = '', timeText = '', sign, ...zone] = timestampPattern.exec(text) ?? []
  const [hours = '0', minutes = '0', seconds = '0', era = ''] = zone
  const days = parseDate(dateText + era)
  const inDay = parseTime(timeText)
  if (days === undefined || inDay === undefined) return undefined
  const hasOne = sign !== undefined || text.includes('Z')
  if (hasOne !== hasZone) return undefined
  const offset = BigInt((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * second
  return days + inDay + (sign === '-' ? offset : -offset)
}

function printTimestamp(value: bigint, zone = ''): string {
  const days = floorDivide(value, day)
  const [shown = '', era] = printDate(days * day).split(' ')
  return `${shown} ${printTime(value - days * day)}${zone}${era ? ` ${era}` : ''}`
}

function readMicroseconds(bytes: Uint8Array): bigint | undefined {
  if (bytes.length !== 8) return undefined
  const value = viewOf(bytes).getBigInt64(0)
  return value === mostMoment || value === leastMoment ? undefined : value
}

function writeMicroseconds(value: bigint): Uint8Array {
  const written = new Uint8Array(8)
  viewOf(written).setBigInt64(0, value)
  return written
}

// Proleptic Gregorian dates from days since 2000-01-01 and back: `days_from_civil` and `civil_from_days` of
// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

const daysOfEra = 146_097
/** From 0000-03-01, where an era begins, to 1970-01-01. */
const daysToUnixEpoch = 719_468

function daysFrom(year: number, month: number, dayOfMonth: number): number {
  const shifted = month <= 2 ? year - 1 : year
  const era = Math.floor(shifted / 400)
  const yearOfEra = shifted - era * 400
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + dayOfMonth - 1
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear
  return era * daysOfEra + dayOfEra - daysToUnixEpoch - epochDays
}

function civil(days: number): { readonly year: number; readonly month: number; readonly day: number } {
  const fromEra = days + epochDays + daysToUnixEpoch
  const era = Math.floor(fromEra / daysOfEra)
  const dayOfEra = fromEra - era * daysOfEra
  const leaps = Math.floor(dayOfEra / 1_460) - Math.floor(dayOfEra / 36_524) + Math.floor(dayOfEra / 146_096)
  const yearOfEra = Math.floor((dayOfEra - leaps) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const dayOfMonth = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day: dayOfMonth }
}

function two(value: number): string {
  return String(value).padStart(2, '0')
}
