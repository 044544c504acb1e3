/** The rows arranged for look-up by mode, opcode map, opcode byte, prefixes and ModRM byte. */

import type { Row } from './rows.ts';

/** Prefix classes: none, 66, F3, F2. A REP prefix goes before 66 (Intel SDM 2, 2.1.2). */
export const CLASS_NONE = 0;
export const CLASS_66 = 1;
export const CLASS_F3 = 2;
export const CLASS_F2 = 3;

/** Bits of a variant: the prefix class in bits 1..0, REX.W in bit 2, REX.B in bit 3. */
export const VARIANT_REX_W = 4;
export const VARIANT_REX_B = 8;
const VARIANTS = 16;

/** ModRM slots: 0..7 memory forms by reg field, then 64 register forms by the low six bits. */
const SLOTS = 72;

/** The slot of a ModRM byte. */
export function slotOf(modrm: number): number {
  return modrm >= 0xc0 ? 8 + (modrm & 0x3f) : (modrm >> 3) & 7;
}

const CLASSES: Record<Row['prefix'], readonly number[]> = {
  any: [CLASS_NONE, CLASS_66, CLASS_F3, CLASS_F2],
  NP: [CLASS_NONE],
  NFx: [CLASS_NONE, CLASS_66],
  '66': [CLASS_66],
  F3: [CLASS_F3],
  F2: [CLASS_F2],
};

function appliesTo(row: Row, variant: number): boolean {
  if (row.rexW && !(variant & VARIANT_REX_W)) return false;
  if (row.noRexB && variant & VARIANT_REX_B) return false;
  return CLASSES[row.prefix].includes(variant & 3);
}

function matchesSlot(row: Row, slot: number): boolean {
  const isMemory = slot < 8;
  const reg = isMemory ? slot : (slot - 8) >> 3;
  if (row.modrm === 'exact') {
    const distance = slot + 0xb8 - row.modrmValue;
    return !isMemory && (row.stackRegister ? distance >= 0 && distance < 8 : distance === 0);
  }
  if (row.modrm === 'digit' && reg !== row.modrmValue) return false;
  if (row.modIgnored || row.form === 'any') return true;
  return isMemory === (row.form === 'mem');
}

/** The more of the encoding a row names, the higher. */
function specificity(row: Row): number {
  const prefix = 4 - CLASSES[row.prefix].length;
  const modrm = { none: 0, any: 0, digit: 2, exact: 4 }[row.modrm] + (row.form === 'any' ? 0 : 1);
  return prefix * 100 + (row.rexW ? 50 : 0) + modrm * 4 + (row.noRexB ? 2 : 0) + (row.opcodeRegister ? 0 : 1);
}

/** The most specific row; rows are sorted so. @throws Error where two rows claim the same encoding. */
function choose(rows: readonly Row[], accepts: (row: Row) => boolean): Row | undefined {
  const found = rows.filter(accepts);
  if (found.length > 1 && specificity(found[0]) === specificity(found[1])) {
    throw new Error(`two rows for one encoding: "${found[0].text}" and "${found[1].text}"`);
  }
  return found[0];
}

/** The rows at an opcode byte. What an encoding means is found when it is first asked for: programs use few of them. */
export class Cell {
  readonly hasModrm: boolean;
  readonly #rows: readonly Row[];
  /** By variant and slot; null where no row claims the encoding, undefined where that has not been asked. */
  readonly #found: (Row | null | undefined)[][] = [];

  constructor(rows: readonly Row[]) {
    this.#rows = rows.toSorted((a, b) => specificity(b) - specificity(a));
    this.hasModrm = rows[0].modrm !== 'none';
  }

  /**
   * The row of an encoding, if there is one.
   * @param slot as {@link slotOf} tells; 0 where there is no ModRM byte
   * @throws Error where two rows claim it
   */
  row(variant: number, slot: number): Row | undefined {
    this.#found[variant] ??= new Array(this.hasModrm ? SLOTS : 1).fill(undefined);
    const found = this.#found[variant];
    if (found[slot] === undefined) found[slot] = this.#choose(variant, slot) ?? null;
    return found[slot] ?? undefined;
  }

  /** @throws Error where two rows claim one encoding */
  check(): void {
    for (let variant = 0; variant < VARIANTS; variant++) {
      for (let slot = 0; slot < (this.hasModrm ? SLOTS : 1); slot++) this.row(variant, slot);
    }
  }

  #choose(variant: number, slot: number): Row | undefined {
    return choose(this.#rows, (row) => appliesTo(row, variant) && (!this.hasModrm || matchesSlot(row, slot)));
  }
}

/** The cells of one kind of mode, each built when it is first asked for. */
export class OpcodeTable {
  readonly #rows: readonly (readonly Row[])[];
  readonly #cells: (Cell | undefined)[] = new Array(4 * 256).fill(undefined);

  /** @param is64 the table of 64-bit mode, else that of all the others */
  constructor(rows: readonly Row[], is64: boolean) {
    const lists: Row[][] = Array.from({ length: 4 * 256 }, () => []);
    for (const row of rows) {
      if (is64 ? row.not64 : row.only64) continue;
      const count = row.opcodeRegister ? 8 : 1;
      for (let offset = 0; offset < count; offset++) lists[row.map * 256 + row.opcode + offset].push(row);
    }
    this.#rows = lists;
  }

  /** The rows at an opcode byte of a map (0..3), or undefined where there are none. */
  cell(map: number, opcode: number): Cell | undefined {
    const key = map * 256 + opcode;
    if (this.#cells[key] === undefined && this.#rows[key].length > 0) this.#cells[key] = new Cell(this.#rows[key]);
    return this.#cells[key];
  }
}
