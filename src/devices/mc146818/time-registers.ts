import { dateOf, daysOf, weekdayOf } from './calendar.ts';

const SECONDS = 0x00;
const SECONDS_ALARM = 0x01;
const MINUTES = 0x02;
const MINUTES_ALARM = 0x03;
const HOURS = 0x04;
const HOURS_ALARM = 0x05;
const DAY_OF_WEEK = 0x06;
const DAY_OF_MONTH = 0x07;
const MONTH = 0x08;
const YEAR = 0x09;
const REGISTER_B = 0x0b;
const CENTURY = 0x32;

const B_BINARY = 0x04;
const B_24_HOUR = 0x02;
const HOURS_PM = 0x80;
const ALARM_DONT_CARE = 0xc0;
const DAY_SECONDS = 86_400;

/**
 * The time, calendar and alarm bytes in the clock's memory, in the format that register B chooses.
 *
 * Bytes that are no valid number of that format count as what their digits add up to, brought into range.
 */
export class TimeRegisters {
  readonly #ram: Uint8Array;

  /** @param ram the clock's memory, which this class works on */
  constructor(ram: Uint8Array) {
    this.#ram = ram;
  }

  /** Sets all of them to a time in seconds since 1970. */
  set(epochSeconds: number): void {
    const days = Math.floor(epochSeconds / DAY_SECONDS);
    this.#setTimeOfDay(epochSeconds - days * DAY_SECONDS);
    this.#setDate(days);
    this.#ram[DAY_OF_WEEK] = weekdayOf(days);
  }

  /** Lets `seconds` pass. The day of the week counts on its own, from whatever the guest has set. */
  advance(seconds: number): void {
    const total = this.#timeOfDay() + seconds;
    const days = Math.floor(total / DAY_SECONDS);
    this.#setTimeOfDay(total - days * DAY_SECONDS);
    if (days === 0) return;
    this.#setDate(this.#days() + days);
    this.#ram[DAY_OF_WEEK] = ((this.#ram[DAY_OF_WEEK] + 6 + days) % 7) + 1;
  }

  /** Seconds (1 to 86,400) until the time next matches the alarm bytes, or undefined when it never does. */
  secondsToAlarm(): number | undefined {
    const now = this.#timeOfDay();
    let time = now + 1;
    while (time <= now + DAY_SECONDS) {
      const ofDay = time % DAY_SECONDS;
      if (!this.#alarmMatches(HOURS_ALARM, Math.floor(ofDay / 3600))) time += 3600 - (ofDay % 3600);
      else if (!this.#alarmMatches(MINUTES_ALARM, Math.floor(ofDay / 60) % 60)) time += 60 - (ofDay % 60);
      else if (!this.#alarmMatches(SECONDS_ALARM, ofDay % 60)) time += 1;
      else return time - now;
    }
    return undefined;
  }

  #alarmMatches(register: number, value: number): boolean {
    const byte = this.#ram[register];
    if (byte >= ALARM_DONT_CARE) return true;
    return (register === HOURS_ALARM ? this.#decodeHours(byte) : this.#decode(byte)) === value;
  }

  #timeOfDay(): number {
    const ram = this.#ram;
    const minutes = this.#decodeHours(ram[HOURS]) * 60 + this.#decode(ram[MINUTES]);
    return (minutes * 60 + this.#decode(ram[SECONDS])) % DAY_SECONDS;
  }

  #setTimeOfDay(seconds: number): void {
    const ram = this.#ram;
    ram[SECONDS] = this.#encode(seconds % 60);
    ram[MINUTES] = this.#encode(Math.floor(seconds / 60) % 60);
    ram[HOURS] = this.#encodeHours(Math.floor(seconds / 3600));
  }

  #days(): number {
    const ram = this.#ram;
    const year = this.#decode(ram[CENTURY]) * 100 + this.#decode(ram[YEAR]);
    const month = Math.min(12, Math.max(1, this.#decode(ram[MONTH])));
    return daysOf({ year, month, day: this.#decode(ram[DAY_OF_MONTH]) });
  }

  #setDate(days: number): void {
    const ram = this.#ram;
    const { year, month, day } = dateOf(days);
    ram[DAY_OF_MONTH] = this.#encode(day);
    ram[MONTH] = this.#encode(month);
    ram[YEAR] = this.#encode(year % 100);
    ram[CENTURY] = this.#encode(Math.floor(year / 100));
  }

  #decode(byte: number): number {
    return this.#ram[REGISTER_B] & B_BINARY ? byte : (byte >> 4) * 10 + (byte & 15);
  }

  #encode(value: number): number {
    return this.#ram[REGISTER_B] & B_BINARY ? value : (Math.floor(value / 10) << 4) | (value % 10);
  }

  #decodeHours(byte: number): number {
    if (this.#ram[REGISTER_B] & B_24_HOUR) return this.#decode(byte);
    return (this.#decode(byte & ~HOURS_PM) % 12) + (byte & HOURS_PM ? 12 : 0);
  }

  #encodeHours(hours: number): number {
    if (this.#ram[REGISTER_B] & B_24_HOUR) return this.#encode(hours);
    return this.#encode(hours % 12 === 0 ? 12 : hours % 12) | (hours >= 12 ? HOURS_PM : 0);
  }
}
