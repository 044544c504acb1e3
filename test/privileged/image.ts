/** Makes the multiboot images of the suite from its cases, and says in words how a case ended. */

import { type Assembled, assemble } from '../../src/isa/assemble.ts';
import { type Case, END_VECTOR, type Expectation, type Place, type Result, vectorName } from './cases.ts';
import { harness32, LOW_CODE_BYTES, ORIGIN } from './harness32.ts';
import { harness64 } from './harness64.ts';

const PLACES_32: readonly Place[] = ['ring0', 'ring1', 'ring3', 'ring3b16', 'v86', 'real'];
const PLACES_64: readonly Place[] = ['long0', 'long3', 'compat3'];
const BITS_16: readonly Place[] = ['ring3b16', 'v86', 'real'];
/** The interrupt whose gate is one of 16 bits. */
const VECTOR_OF_16_BITS = 0x38;
/** Code that is copied to low memory, where EIP counts from its start. */
const COPIED: readonly Place[] = ['v86', 'real'];

/** A kernel image and the cases that it runs. */
export interface Image {
  readonly cases: readonly Case[];
  readonly assembled: Assembled;
  readonly origin: number;
}

function bitsOf(place: Place): 16 | 32 | 64 {
  if (BITS_16.includes(place)) return 16;
  return place === 'long0' || place === 'long3' ? 64 : 32;
}

/** @param bits of the image's own mode, in which setup runs */
function caseSource({ place, setup = '', code }: Case, index: number, bits: 32 | 64): string {
  return `
setup_${index}:
${setup}
    ret
bits ${bitsOf(place)}
case_${index}:
${code}
.end:
    int ${END_VECTOR}
.after:
bits ${bits}`;
}

/** Setup, code and place of each case, in words of the image's mode. */
function caseTable(cases: readonly Case[], word: string, places: readonly Place[]): string {
  const rows = cases.map(({ place }, index) => `    ${word} setup_${index}, case_${index}, ${places.indexOf(place)}`);
  return `    align 8\ncase_table:\n${rows.join('\n')}\n`;
}

/** The image of the cases in 16 and 32 bits. */
export function image32(cases: readonly Case[]): Image {
  const sources = cases.map((one, index) => caseSource(one, index, 32));
  const source = `${sources.join('\n')}\n${caseTable(cases, 'dd', PLACES_32)}`;
  const assembled = assemble(harness32(source, cases.length), { bits: 32, origin: ORIGIN });
  for (const [index, { place, name }] of cases.entries()) {
    const bytes = addressOf(assembled, `case_${index}.after`) - addressOf(assembled, `case_${index}`);
    if (COPIED.includes(place) && bytes > LOW_CODE_BYTES) throw new Error(`"${name}" is too long`);
  }
  return { cases, assembled, origin: ORIGIN };
}

/** The image of the cases in long and compatibility mode. */
export function image64(cases: readonly Case[]): Image {
  const sources = cases.map((one, index) => caseSource(one, index, 64));
  const source = `${sources.join('\n')}\n${caseTable(cases, 'dq', PLACES_64)}`;
  const assembled = assemble(harness64(source, cases.length), { bits: 32, origin: ORIGIN });
  return { cases, assembled, origin: ORIGIN };
}

export function addressOf({ symbols }: Assembled, name: string): number {
  const address = symbols.get(name);
  if (address === undefined) throw new Error(`the image has no "${name}"`);
  return Number(address);
}

/** The label of a case or of its setup at an address, or one of those where gates and tasks lead. */
function labelAt({ assembled, cases }: Image, { number: index, eip, vector }: Result): string {
  const mask = vector === VECTOR_OF_16_BITS ? 0xffff : 0xffffffff;
  const base = COPIED.includes(cases[index].place) ? addressOf(assembled, `case_${index}`) : 0;
  for (const [name, address] of assembled.symbols) {
    if (((Number(address) - base) & mask) !== (eip & mask)) continue;
    if (/^(task|gate)_target/.test(name)) return name;
    const [scope, label] = name.split('.');
    if (label !== undefined && (scope === `case_${index}` || scope === `setup_${index}`)) return label;
  }
  return eip.toString(16);
}

/** How a case ended, as {@link Expectation} says it. */
export function eventOf(image: Image, result: Result): string {
  const name = vectorName(result.vector);
  const label = labelAt(image, result);
  if (name === 'ok') return label === 'after' ? 'ok' : `ok ${label}`;
  const code = result.error === 0 ? '' : `(${result.error.toString(16)})`;
  return `${name}${code} ${label}`;
}

const CHECKED = ['eax', 'cs', 'esp', 'ss', 'cr2', 'dr6', 'tr'] as const;

/** Where a result differs from what is expected; "" where it does not. */
export function differences(image: Image, result: Result): string {
  const { expect } = image.cases[result.number];
  const expected: Expectation = typeof expect === 'string' ? { event: expect } : expect;
  const found: string[] = [];
  const event = eventOf(image, result);
  if (event !== expected.event) found.push(`${event} instead of ${expected.event}`);
  for (const name of CHECKED) {
    const want = expected[name];
    if (want !== undefined && result[name] !== want >>> 0) {
      found.push(`${name} ${result[name].toString(16)} instead of ${(want >>> 0).toString(16)}`);
    }
  }
  const mask = expected.flagsMask ?? 0x3f7fd7;
  if (expected.eflags !== undefined && (result.eflags & mask) !== expected.eflags) {
    found.push(`eflags ${(result.eflags & mask).toString(16)} instead of ${expected.eflags.toString(16)}`);
  }
  return found.join(', ');
}
