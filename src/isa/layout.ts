import type { Type } from '../ir/types.ts';

/** One field of the vCPU's state block. */
export interface Field {
  readonly name: string;
  /** Bytes from the start of the state block. */
  readonly offset: number;
  readonly bytes: 1 | 2 | 4 | 8 | 16;
  /** The IR type it is loaded as. */
  readonly type: Type;
}

/** Assigns offsets to named fields, in order. */
export class Layout {
  #next = 0;
  readonly #fields: Field[] = [];

  /** The fields so far. */
  get fields(): readonly Field[] {
    return this.#fields;
  }

  /** Bytes used so far. */
  get sizeBytes(): number {
    return this.#next;
  }

  u32(name: string): Field {
    return this.#add(name, 4, 'i32');
  }

  u64(name: string): Field {
    return this.#add(name, 8, 'i64');
  }

  /** Reserves `count` areas of `bytes`, aligned to `align`. @returns the first offset */
  area(bytes: number, align: number): number {
    this.#next = Math.ceil(this.#next / align) * align;
    const offset = this.#next;
    this.#next += bytes;
    return offset;
  }

  #add(name: string, bytes: 4 | 8, type: Type): Field {
    const field: Field = { name, offset: this.area(bytes, bytes), bytes, type };
    this.#fields.push(field);
    return field;
  }
}
