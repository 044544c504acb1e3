import type { HostPlace } from '../../ir/builder.ts';
import type { Access, Variable } from '../../ir/nodes.ts';
import type { Operand, Val } from '../../ir/val.ts';
import type { Lift, Semantics, SemanticsTable } from '../lift.ts';
import { FLAG, SEG, SEGMENT, SEGMENT_BYTES, SEGMENTS, STATE } from '../registers.ts';

const RAX = 0;
const RCX = 1;
const RSI = 6;
const RDI = 7;
const REPNE = 0xf2;
const PAGE_BYTES = 4096;

/** One string instruction's facts: element size, the step by DF, and where the elements are. */
class StringLift {
  readonly l: Lift;
  readonly width: number;
  readonly bytes: Access['bytes'];
  readonly type: 'i32' | 'i64';
  readonly #step: Val;
  readonly #sourceSegment: Val;

  constructor(l: Lift, width: number) {
    this.l = l;
    this.width = width;
    this.bytes = (width / 8) as Access['bytes'];
    this.type = width === 64 ? 'i64' : 'i32';
    const down = l.get(STATE.eflags).and(FLAG.DF).nez();
    this.#step = l.b.i64(-this.bytes).selectIf(down, this.bytes);
    this.#sourceSegment = l.segment();
  }

  loadSource(): Val {
    return this.l.b.guestLoad(this.type, this.bytes, this.source(), this.#sourceSegment);
  }

  loadDestination(forWrite = false): Val {
    return this.l.b.guestLoad(this.type, this.bytes, this.destination(forWrite), SEG.ES, forWrite);
  }

  storeDestination(value: Val): void {
    this.l.b.guestStore(this.bytes, this.destination(true), SEG.ES, value);
  }

  /** Linear address of the source's element. */
  source(): Val {
    return this.l.linear(this.#sourceSegment, this.offset(RSI), this.bytes, false, this.l.shape.flat);
  }

  /** Linear address of the destination's element. */
  destination(forWrite: boolean): Val {
    const { l } = this;
    return l.linear(l.b.i32(SEG.ES), this.offset(RDI), this.bytes, forWrite, l.shape.flat);
  }

  /** i32: whether `n` elements from an index register on lie in a segment in which the first does, and the register does not wrap. */
  inSegment(register: typeof RSI | typeof RDI, n: Val): Val {
    const { b, shape } = this.l;
    const segment = register === RSI ? this.#sourceSegment : b.i32(SEG.ES);
    const end = this.offset(register).add(n.mul(this.bytes).extU());
    const wraps = shape.addressSize === 64 ? b.i32(0) : end.gtU(2n ** BigInt(shape.addressSize));
    if (shape.flat || shape.bits === 64) return wraps.eqz();
    const high = b.load('i64', 4, b.cpu.add(segment.mul(SEGMENT_BYTES)), SEGMENTS + SEGMENT.high);
    return wraps.or(end.sub(1).gtU(high)).eqz();
  }

  advanceSource(): void {
    this.#advance(RSI);
  }

  advanceDestination(): void {
    this.#advance(RDI);
  }

  /** The count in rCX. */
  count(): Val {
    return this.l.gpr(RCX, this.l.shape.addressSize);
  }

  /** Counts rCX down. @returns what is left */
  countDown(): Val {
    const w = this.l.shape.addressSize;
    const left = this.count().sub(1).zeroExtend(w);
    this.l.setGpr(RCX, w, left);
    return left;
  }

  /** An index register as an offset, i64. */
  offset(register: number): Val {
    return this.l.gpr(register, this.l.shape.addressSize).extU();
  }

  /** Moves index registers and count past `n` elements (i32), upwards, and takes them off the budget. */
  skip(n: Val, registers: readonly number[]): void {
    const w = this.l.shape.addressSize;
    const narrow = (value: Val) => (w === 64 ? value : value.wrap());
    const bytes = n.mul(this.bytes).extU();
    for (const register of registers) this.l.setGpr(register, w, narrow(this.offset(register).add(bytes)));
    this.l.set(STATE.budget, this.l.get(STATE.budget).sub(n));
    this.l.setGpr(
      RCX,
      w,
      this.count()
        .sub(w === 64 ? n.extU() : n)
        .zeroExtend(w),
    );
  }

  #advance(register: number): void {
    const w = this.l.shape.addressSize;
    const moved = this.offset(register).add(this.#step);
    this.l.setGpr(register, w, w === 64 ? moved : moved.wrap());
  }
}

/**
 * Takes one from the budget for a further iteration of a REP; where there is none left, or something is pending, the
 * instruction is left, to be started again with what it has done so far.
 */
function spendIteration(l: Lift): void {
  const left = l.get(STATE.budget).sub(1);
  l.b.if(left.ltS(0).or(l.get(STATE.pending)), () => l.restart());
  l.set(STATE.budget, left);
}

/** Fewest elements for which it pays to look for a direct way to memory. */
const BULK_LEAST = 4;
/** Fewest for which it pays to ask the chip behind a port for several. */
const PORT_BULK_LEAST = 16;

/** What happens to many elements at once: they lie in one page each of source and destination, the direction is up. */
interface Bulk {
  readonly reads: boolean;
  /** i32: whether `bytes` (i64) at these places can be done at once. */
  allowed(to: HostPlace, from: HostPlace, bytes: Val): Val;
  act(to: HostPlace, from: HostPlace, bytes: Val): void;
}

/**
 * Does elements beyond the first, as far as the pages, the budget and the engine's direct access to memory allow, and
 * leaves at least one. The result is as that of single iterations.
 */
function repeatInBulk(s: StringLift, { reads, allowed, act }: Bulk): void {
  const { l } = s;
  const { b } = l;
  if (!l.shape.flat) return;
  const [to, from] = [s.offset(RDI), s.offset(RSI)];
  b.if(s.count().gtU(BULK_LEAST).and(l.get(STATE.eflags).and(FLAG.DF).eqz()), () => {
    const target = b.guestHost(to, true);
    b.if(target.hit, () => {
      // The two pages may have one place in the TLB, where each access makes it forget the other's.
      const source = reads ? b.guestHostToRead(from) : target;
      const n = mostAtOnce(s, reads ? [to, from] : [to]);
      const bytes = n.mul(s.bytes).extU();
      b.if(source.hit.and(n.geU(BULK_LEAST)).and(allowed(target, source, bytes)), () => {
        act(target, source, bytes);
        s.skip(n, reads ? [RSI, RDI] : [RDI]);
      });
    });
  });
}

/** i32: elements that can be done at once: at least one is left, the pages of these addresses have them, and the budget allows them. */
function mostAtOnce(s: StringLift, addresses: readonly Val[]): Val {
  const { b } = s.l;
  const room = (address: Val) =>
    b
      .i32(PAGE_BYTES)
      .sub(address.wrap().and(PAGE_BYTES - 1))
      .shrU(Math.log2(s.bytes));
  const least = (x: Val, y: Val) => x.selectIf(x.ltU(y), y);
  const wanted = s.count().sub(1).extU();
  const few = wanted.selectIf(wanted.ltU(PAGE_BYTES), PAGE_BYTES).wrap();
  return least(addresses.map(room).reduce(least, few), s.l.get(STATE.budget));
}

/** Moves elements beyond the first through a port, as far as the chip behind it has them ready, and leaves at least one. */
function moveInBulk(s: StringLift, call: 'portInMany' | 'portOutMany'): void {
  const { l } = s;
  const { b } = l;
  const isIn = call === 'portInMany';
  const register = isIn ? RDI : RSI;
  const isLong = s.count().geU(PORT_BULK_LEAST);
  b.if(isLong.and(l.get(STATE.eflags).and(FLAG.DF).eqz()), () => {
    const address = isIn ? s.destination(true) : s.source();
    const n = mostAtOnce(s, [address]);
    b.if(n.geU(PORT_BULK_LEAST).and(s.inSegment(register, n)), () => {
      const place = b.guestHost(address, isIn);
      b.if(place.hit, () => {
        const packed = port(l)
          .or(s.bytes << 16)
          .or(n.extU().shl(24));
        s.skip(l.system(call, packed, place.host).wrap(), [register]);
      });
    });
  });
}

/** Copying at once is copying one by one, unless the destination begins inside the source. */
function bulkCopy({ l }: StringLift): Bulk {
  return {
    reads: true,
    allowed: (to, from, bytes) => to.host.sub(from.host).geU(bytes),
    act: (to, from, bytes) => l.b.memoryCopy(to.host, from.host, bytes),
  };
}

/** Filling by bytes needs a value whose bytes are equal. */
function bulkFill({ l, width }: StringLift, value: Val): Bulk {
  const byte = value.and(0xff);
  const ones = BigInt.asUintN(width, 0x0101_0101_0101_0101n);
  return {
    reads: false,
    allowed: () => value.eq(byte.mul(ones)),
    act: (to, _from, bytes) => l.b.memoryFill(to.host, byte.wrap(), bytes),
  };
}

/** Repeats `iteration`, which commits its registers but rCX, rCX times. A fault leaves what is done committed. */
function repeat(s: StringLift, iteration: () => void, bulk: () => void = () => {}): void {
  const { l } = s;
  if (l.shape.rep === 0) {
    iteration();
    return;
  }
  l.b.if(s.count().nez(), () => {
    l.b.loop((again) => {
      bulk();
      iteration();
      l.b.if(s.countDown().nez(), () => {
        spendIteration(l);
        l.b.continue(again);
      });
    });
  });
}

/** REPE or REPNE: goes on while the two values `iteration` compares are equal, or are not. Flags are written at the end. */
function repeatCompare(s: StringLift, iteration: () => [Val, Val]): void {
  const { l } = s;
  const { b } = l;
  const compare = (x: Val, y: Val) => l.flags.sub(s.width, x, y, x.sub(y).zeroExtend(s.width));
  if (l.shape.rep === 0) {
    compare(...iteration());
    return;
  }
  const wanted = l.shape.rep === REPNE ? 0 : 1;
  b.if(s.count().nez(), () => {
    const [first, second]: [Variable, Variable] = [b.variable(s.type, 0, 'first'), b.variable(s.type, 0, 'second')];
    b.loop((again) => {
      const [x, y] = iteration();
      b.set(first, x);
      b.set(second, y);
      b.if(s.countDown().nez().and(x.eq(y).eq(wanted)), () => {
        spendIteration(l);
        b.continue(again);
      });
    });
    compare(b.get(first), b.get(second));
  });
}

const movs: Semantics = (l) => {
  const s = new StringLift(l, l.width(0));
  const move = () => {
    s.storeDestination(s.loadSource());
    s.advanceSource();
    s.advanceDestination();
  };
  repeat(s, move, () => repeatInBulk(s, bulkCopy(s)));
};

const stos: Semantics = (l) => {
  const s = new StringLift(l, l.width(0));
  const value = l.gpr(RAX, s.width);
  const fill = () => {
    s.storeDestination(value);
    s.advanceDestination();
  };
  repeat(s, fill, () => repeatInBulk(s, bulkFill(s, value)));
};

const lods: Semantics = (l) => {
  const s = new StringLift(l, l.width(0));
  repeat(s, () => {
    l.setGpr(RAX, s.width, s.loadSource());
    s.advanceSource();
  });
};

const cmps: Semantics = (l) => {
  const s = new StringLift(l, l.width(0));
  repeatCompare(s, () => {
    const x = s.loadSource();
    const y = s.loadDestination();
    s.advanceSource();
    s.advanceDestination();
    return [x, y];
  });
};

const scas: Semantics = (l) => {
  const s = new StringLift(l, l.width(0));
  const x = l.gpr(RAX, s.width);
  repeatCompare(s, () => {
    const y = s.loadDestination();
    s.advanceDestination();
    return [x, y];
  });
};

function port(l: Lift): Val {
  return l.gpr(2, 16).extU();
}

/**
 * The right to the port is checked even where the count is zero. The destination is probed before the port is read,
 * since a read of a port cannot be taken back.
 */
const ins: Semantics = (l) => {
  const s = new StringLift(l, l.width(0));
  l.system('portPermission', port(l), s.bytes);
  const input = () => {
    s.loadDestination(true);
    s.storeDestination(l.system('portIn', port(l), s.bytes).wrap());
    s.advanceDestination();
  };
  repeat(s, input, () => moveInBulk(s, 'portInMany'));
};

const outs: Semantics = (l) => {
  const s = new StringLift(l, l.width(1));
  l.system('portPermission', port(l), s.bytes);
  const output = () => {
    const size: Operand = s.bytes << 16;
    const value = s.loadSource();
    l.system('portOut', port(l).or(size), value.extU());
    s.advanceSource();
  };
  repeat(s, output, () => moveInBulk(s, 'portOutMany'));
};

/** String instructions. */
export const STRING_SEMANTICS: SemanticsTable = { movs, stos, lods, cmps, scas, ins, outs };
