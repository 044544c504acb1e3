import { NO_TAG, type Variable } from '../../ir/nodes.ts';
import type { Val } from '../../ir/val.ts';

/** What a value is made of: something unknown, told by a number, and what is added to it. */
export interface Origin {
  readonly root: number;
  readonly offset: number;
}

/** Ways that part, while they are recorded. */
export interface OriginsFork {
  readonly from: number;
  readonly forgotten: number;
  /** What has been set on them, by tags. */
  changed: number[] | undefined;
}

/** What variables hold at a place of a region, by their tags. */
export type Holdings = readonly (Origin | undefined)[];

const LOW_32 = 0xffff_ffffn;

/**
 * Knows which values differ from one another by constants: what variables hold, and these with constants added. Variables
 * without a tag hold what is not known.
 */
export class Origins {
  /** Sums are modulo 2^32, so that what extends or truncates to 32 bits changes nothing. */
  readonly #modulo32: boolean;
  /** Of values that were read from variables, by their numbers. */
  readonly #values: (Origin | undefined)[] = [];
  #held: (Origin | undefined)[];
  /** Somebody has {@link #held}, which is copied before it changes. */
  #isShared = false;
  /** What has been set since everything was forgotten, in order, and what it held before. */
  #written: { readonly tag: number; readonly before: Origin | undefined }[] = [];
  #roots = 0;
  /** How often everything was forgotten. */
  #forgotten = 0;
  /** What variables hold of which nothing is known. */
  readonly #nothing: readonly undefined[];

  /** @param tags variables have smaller ones */
  constructor(modulo32: boolean, tags: number) {
    this.#modulo32 = modulo32;
    this.#nothing = Array.from({ length: tags }, () => undefined);
    this.#held = this.#nothing.slice();
  }

  /** Notes that a value is what a variable holds. */
  read(value: Val, { tag }: Variable): void {
    if (tag === NO_TAG) return;
    let origin = this.#held[tag];
    if (origin === undefined) {
      origin = { root: this.#roots++, offset: 0 };
      this.#hold(tag, origin);
    }
    this.#values[value.id] = origin;
  }

  /** Notes that a variable is set to a value. */
  write({ tag }: Variable, value: Val): void {
    if (tag === NO_TAG) return;
    this.#written.push({ tag, before: this.#held[tag] });
    this.#hold(tag, this.of(value));
  }

  /** Undefined: not known to differ from anything by a constant. */
  of(value: Val): Origin | undefined {
    let added = 0;
    for (let at = value; ; at = at.args[0]) {
      const known = this.#values[at.id];
      if (known !== undefined) return this.#sum(known, added);
      const step = this.#addedTo(at);
      if (step === undefined) return undefined;
      added += step;
    }
  }

  /** What variables hold now. */
  get holdings(): Holdings {
    this.#isShared = true;
    return this.#held;
  }

  /** Goes on where ways meet: variables hold what they hold on all of them. */
  meet(ways: readonly Holdings[]): void {
    this.forget();
    const [first, ...others] = ways;
    for (let tag = 0; tag < first.length; tag++) {
      const origin = first[tag];
      if (origin !== undefined && others.every((way) => isSame(way[tag], origin))) this.#held[tag] = origin;
    }
  }

  /** Forgets what variables hold. */
  forget(): void {
    this.#held = this.#nothing.slice();
    this.#isShared = false;
    this.#written = [];
    this.#forgotten++;
  }

  /** Ways part, of which one is gone: what they set is unknown behind them. Each ends with {@link endWay}. */
  fork(): OriginsFork {
    return { from: this.#written.length, forgotten: this.#forgotten, changed: undefined };
  }

  /** A way has been recorded: the next one begins where it began. */
  endWay(fork: OriginsFork): void {
    const written = this.#written;
    for (let i = written.length - 1; i >= fork.from; i--) {
      const { tag, before } = written[i];
      this.#hold(tag, before);
      fork.changed ??= [];
      fork.changed.push(tag);
    }
    if (written.length > fork.from) written.length = fork.from;
  }

  /** All ways have been recorded. */
  merge({ forgotten, changed }: OriginsFork): void {
    if (this.#forgotten !== forgotten) this.forget();
    if (changed === undefined) return;
    for (const tag of changed) {
      this.#written.push({ tag, before: this.#held[tag] });
      this.#hold(tag, undefined);
    }
  }

  #hold(tag: number, origin: Origin | undefined): void {
    if (this.#isShared) this.#held = this.#held.slice();
    this.#isShared = false;
    this.#held[tag] = origin;
  }

  #sum({ root, offset }: Origin, added: number): Origin | undefined {
    const sum = this.#modulo32 ? (offset + added) | 0 : offset + added;
    return Number.isSafeInteger(sum) ? { root, offset: sum } : undefined;
  }

  /** What a value is more than its first operand, where that is a constant. */
  #addedTo({ what, args, type }: Val): number | undefined {
    if (what.kind !== 'op') return undefined;
    switch (what.name) {
      case 'i32.add':
      case 'i64.add':
        return signed32(args[1], type);
      case 'i32.sub':
      case 'i64.sub': {
        const less = signed32(args[1], type);
        return less === undefined ? undefined : -less;
      }
      case 'i64.and':
        return this.#modulo32 && args[1].what.kind === 'const' && args[1].what.value === LOW_32 ? 0 : undefined;
      case 'i64.extend_i32_u':
      case 'i32.wrap_i64':
        return this.#modulo32 ? 0 : undefined;
      default:
        return undefined;
    }
  }
}

function isSame(one: Origin | undefined, { root, offset }: Origin): boolean {
  return one !== undefined && one.root === root && one.offset === offset;
}

/** A constant as a signed number. Undefined: it is none or takes more than 32 bits, and sums might not be exact. */
function signed32({ what }: Val, type: Val['type']): number | undefined {
  if (what.kind !== 'const') return undefined;
  if (what.value < 0x8000_0000n) return Number(what.value);
  const signed = BigInt.asIntN(type === 'i64' ? 64 : 32, what.value);
  return signed === BigInt.asIntN(32, signed) ? Number(signed) : undefined;
}
