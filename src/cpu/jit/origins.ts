import type { Variable } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';

/** What a value is made of: something unknown, told by a number, and what is added to it. */
export interface Origin {
  readonly root: number;
  readonly offset: number;
}

/** What variables hold at a place of a region. */
export type Holdings = ReadonlyMap<Variable, Origin>;

const LOW_32 = 0xffff_ffffn;

/** Knows which values differ from one another by constants: what variables hold, and these with constants added. */
export class Origins {
  /** Sums are modulo 2^32, so that what extends or truncates to 32 bits changes nothing. */
  readonly #modulo32: boolean;
  readonly #values = new Map<Val, Origin>();
  readonly #held = new Map<Variable, Origin>();
  /** What has been set since everything was forgotten, in order, and what it held before. */
  #written: { readonly variable: Variable; readonly before: Origin | undefined }[] = [];
  #roots = 0;
  /** How often everything was forgotten. */
  #forgotten = 0;

  constructor(modulo32: boolean) {
    this.#modulo32 = modulo32;
  }

  /** Notes that a value is what a variable holds. */
  read(value: Val, variable: Variable): void {
    let origin = this.#held.get(variable);
    if (origin === undefined) {
      origin = { root: this.#roots++, offset: 0 };
      this.#held.set(variable, origin);
    }
    this.#values.set(value, origin);
  }

  /** Notes that a variable is set to a value. */
  write(variable: Variable, value: Val): void {
    this.#written.push({ variable, before: this.#held.get(variable) });
    this.#hold(variable, this.of(value));
  }

  /** Undefined: not known to differ from anything by a constant. */
  of(value: Val): Origin | undefined {
    let added = 0;
    for (let at: Val | undefined = value; at !== undefined; ) {
      const known = this.#values.get(at);
      if (known !== undefined) return this.#sum(known, added);
      const step = this.#stepFrom(at);
      added += step?.added ?? 0;
      at = step?.to;
    }
    return undefined;
  }

  /** What variables hold now. */
  get holdings(): Holdings {
    return new Map(this.#held);
  }

  /** Goes on where ways meet: variables hold what they hold on all of them. */
  meet(ways: readonly Holdings[]): void {
    this.forget();
    for (const [variable, origin] of ways[0]) {
      const isSame = (other: Origin | undefined) => other?.root === origin.root && other.offset === origin.offset;
      if (ways.every((way) => isSame(way.get(variable)))) this.#held.set(variable, origin);
    }
  }

  /** Forgets what variables hold. */
  forget(): void {
    this.#held.clear();
    this.#written = [];
    this.#forgotten++;
  }

  /** Records ways of which one is gone: what they set is unknown behind them. */
  alternatives(ways: readonly (() => void)[]): void {
    const [from, forgotten] = [this.#written.length, this.#forgotten];
    const changed: Variable[] = [];
    for (const way of ways) {
      way();
      for (let i = this.#written.length - 1; i >= from; i--) {
        const { variable, before } = this.#written[i];
        this.#hold(variable, before);
        changed.push(variable);
      }
      this.#written.length = Math.min(this.#written.length, from);
    }
    if (this.#forgotten !== forgotten) this.forget();
    for (const variable of changed) {
      this.#written.push({ variable, before: this.#held.get(variable) });
      this.#held.delete(variable);
    }
  }

  #hold(variable: Variable, origin: Origin | undefined): void {
    if (origin === undefined) this.#held.delete(variable);
    else this.#held.set(variable, origin);
  }

  #sum({ root, offset }: Origin, added: number): Origin | undefined {
    const sum = this.#modulo32 ? (offset + added) | 0 : offset + added;
    return Number.isSafeInteger(sum) ? { root, offset: sum } : undefined;
  }

  /** What a value is made of, where that is one other value and a constant. */
  #stepFrom({ what, args, type }: Val): { readonly to: Val; readonly added: number } | undefined {
    if (what.kind !== 'op') return undefined;
    const [to, other] = args;
    const constant = other?.what.kind === 'const' ? other.what.value : undefined;
    const distance = constant === undefined ? undefined : signed32(constant, type);
    switch (what.name) {
      case `${type}.add`:
        return distance === undefined ? undefined : { to, added: distance };
      case `${type}.sub`:
        return distance === undefined ? undefined : { to, added: -distance };
      case 'i64.and':
        return this.#modulo32 && constant === LOW_32 ? { to, added: 0 } : undefined;
      case 'i64.extend_i32_u':
      case 'i32.wrap_i64':
        return this.#modulo32 ? { to, added: 0 } : undefined;
      default:
        return undefined;
    }
  }
}

/** A constant as a signed number. Undefined: it takes more than 32 bits, and sums might not be exact. */
function signed32(value: bigint, type: Val['type']): number | undefined {
  const signed = BigInt.asIntN(type === 'i64' ? 64 : 32, value);
  return signed === BigInt.asIntN(32, signed) ? Number(signed) : undefined;
}
