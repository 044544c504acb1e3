import { QmpError } from './qmp-error.ts';

/** The members of a JSON object. */
export type Fields = { readonly [name: string]: unknown };

/** Whether a value of JSON is an object. */
export function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Reads members that a client gave, in QEMU's words where they are wrong. Every method throws {@link QmpError}. */
export class Arguments {
  readonly #given: Fields;

  constructor(given: Fields) {
    this.#given = given;
  }

  /** Refuses members of other names. */
  allow(names: readonly string[]): void {
    const extra = Object.keys(this.#given).find((name) => !names.includes(name));
    if (extra !== undefined) throw new QmpError('GenericError', `Parameter '${extra}' is unexpected`);
  }

  has(name: string): boolean {
    return this.#given[name] !== undefined;
  }

  text(name: string): string {
    return this.#typed(name, 'string', (value) => typeof value === 'string') as string;
  }

  /** One of some words. */
  word<Word extends string>(name: string, words: readonly Word[]): Word {
    const text = this.text(name);
    const word = words.find((candidate) => candidate === text);
    if (word === undefined) throw new QmpError('GenericError', `Parameter '${name}' does not accept value '${text}'`);
    return word;
  }

  /** An integer. */
  integer(name: string): number {
    return this.#typed(name, 'integer', Number.isSafeInteger) as number;
  }

  flag(name: string): boolean {
    return this.#typed(name, 'boolean', (value) => typeof value === 'boolean') as boolean;
  }

  /** The members of an object. */
  fields(name: string): Arguments {
    return new Arguments(this.#typed(name, 'object', isFields) as Fields);
  }

  /** The objects of an array. */
  list(name: string): Arguments[] {
    const items = this.#typed(name, 'array', Array.isArray) as unknown[];
    return items.map((item) => new Arguments({ [name]: item }).fields(name));
  }

  #typed(name: string, type: string, isRight: (value: unknown) => boolean): unknown {
    const value = this.#given[name];
    if (value === undefined) throw new QmpError('GenericError', `Parameter '${name}' is missing`);
    if (!isRight(value)) {
      throw new QmpError('GenericError', `Invalid parameter type for '${name}', expected: ${type}`);
    }
    return value;
  }
}
