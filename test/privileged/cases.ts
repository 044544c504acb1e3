/** What the cases of the privileged suite are made of. */

import { VECTOR_OF } from '../../src/isa/registers.ts';

/** Where a case's code runs. The 32-bit image has the first group, the 64-bit image the second. */
export type Place = 'ring0' | 'ring1' | 'ring3' | 'ring3b16' | 'v86' | 'real' | 'long0' | 'long3' | 'compat3';

/** How a case ends: with an exception or interrupt, and what is known then. */
export interface Expectation {
  /** `GP(18) fault` is #GP with error code 18h at label `.fault` of the code; `ok` the end of the code. */
  readonly event: string;
  /** EAX, and other registers at the end, where they matter. */
  readonly eax?: number;
  readonly cs?: number;
  /** EFLAGS as pushed, and which bits of them count: all unless `flagsMask` is given. */
  readonly eflags?: number;
  readonly flagsMask?: number;
  readonly esp?: number;
  readonly ss?: number;
  readonly cr2?: number;
  readonly dr6?: number;
  readonly tr?: number;
}

export interface Case {
  readonly name: string;
  readonly place: Place;
  /** Runs at level 0 before, in the image's own mode; may use EAX, ECX, EDX. */
  readonly setup?: string;
  readonly code: string;
  readonly expect: Expectation | string;
}

/** The interrupt that ends a case. */
export const END_VECTOR = 0x40;

/** The words of a result, in the order in which the image prints them. */
export const RESULT_WORDS = [
  'number',
  'vector',
  'error',
  'eip',
  'cs',
  'eflags',
  'esp',
  'ss',
  'eax',
  'cr2',
  'dr6',
  'tr',
] as const;
export type ResultWord = (typeof RESULT_WORDS)[number];
export type Result = Readonly<Record<ResultWord, number>>;

/** Reads what an image printed: a line of hexadecimal words for each case. */
export function readResults(output: string): Result[] {
  const lines = output.split('\n').filter((line) => /^([0-9a-f]{8} ){11}[0-9a-f]{8}$/.test(line));
  return lines.map((line) => {
    const words = line.split(' ').map((word) => Number.parseInt(word, 16));
    return Object.fromEntries(RESULT_WORDS.map((name, index) => [name, words[index]])) as Result;
  });
}

export function vectorName(vector: number): string {
  if (vector === END_VECTOR) return 'ok';
  const known = Object.entries(VECTOR_OF).find(([, number]) => number === vector);
  return known ? known[0] : vector.toString(16);
}
