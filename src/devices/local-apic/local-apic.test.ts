import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ManualClock } from '../../machine/manual-clock.ts';
import { ApicBus } from './apic-bus.ts';
import { LocalApic } from './local-apic.ts';

const TPR = 0x80;
const PPR = 0xa0;
const EOI = 0xb0;
const LDR = 0xd0;
const DFR = 0xe0;
const SVR = 0xf0;
const ISR = 0x100;
const TMR = 0x180;
const IRR = 0x200;
const ESR = 0x280;
const ICR = 0x300;
const ICR_HIGH = 0x310;
const LVT_TIMER = 0x320;
const LVT_LINT0 = 0x350;
const LVT_ERROR = 0x370;
const INITIAL_COUNT = 0x380;
const CURRENT_COUNT = 0x390;
const DIVIDE = 0x3e0;
const BASE_MSR = 0x1b;
const TSC_DEADLINE_MSR = 0x6e0;

/** A machine of local APICs on one bus; their TSCs count two ticks a nanosecond, their timers one. */
class Bench {
  readonly clock = new ManualClock();
  readonly events: string[] = [];
  readonly outputs: boolean[] = [];
  readonly eois: number[] = [];
  readonly bus = new ApicBus((vector) => this.eois.push(vector));
  readonly apics: LocalApic[];
  externalVector = 0x08;

  constructor(ids: readonly number[] = [0]) {
    this.apics = ids.map((id, index) => this.#make(id, index));
    for (const apic of this.apics) this.bus.add(apic);
  }

  #make(id: number, index: number): LocalApic {
    this.outputs.push(false);
    return new LocalApic({
      id,
      bootstrap: index === 0,
      clock: this.clock,
      output: { set: (level) => (this.outputs[index] = level) },
      processor: {
        nmi: () => this.events.push(`nmi ${id}`),
        init: () => this.events.push(`init ${id}`),
        startUp: (vector) => this.events.push(`startUp ${id} ${vector}`),
      },
      bus: this.bus,
      acknowledgeExternal: () => this.externalVector,
      tsc: { now: () => this.clock.nowNanos() * 2n, nanosAt: (tsc) => (tsc + 1n) / 2n },
      timerHz: 1_000_000_000,
    });
  }

  get apic(): LocalApic {
    return this.apics[0];
  }

  get output(): boolean {
    return this.outputs[0];
  }

  read(offset: number): number {
    return this.apic.read(offset, 4);
  }

  write(offset: number, value: number, apic = this.apic): void {
    apic.write(offset, 4, value);
  }

  /** Software-enables every APIC. */
  enable(): this {
    for (const apic of this.apics) this.write(SVR, 0x1ff, apic);
    return this;
  }

  wait(nanos: bigint): void {
    this.clock.advanceTo(this.clock.nowNanos() + nanos);
  }
}

test('ID, version and the initial values of the registers are those of the manual', () => {
  const bench = new Bench([3]);
  assert.equal(bench.read(0x20), 0x03000000);
  assert.equal(bench.read(0x30), 0x00050014);
  assert.equal(bench.read(DFR), 0xffffffff);
  assert.equal(bench.read(SVR), 0xff);
  for (const entry of [LVT_TIMER, 0x330, 0x340, LVT_ERROR]) assert.equal(bench.read(entry), 0x10000);
});

test('an accepted interrupt moves from IRR to ISR at its acknowledge and ends at its EOI', () => {
  const bench = new Bench().enable();
  bench.apic.receiver.deliver(0x41, 0, 'edge');
  assert.equal(bench.output, true);
  assert.equal(bench.apic.pendingVector, 0x41);
  assert.equal(bench.read(IRR + 0x20), 2);
  assert.equal(bench.apic.acknowledge(), 0x41);
  assert.equal(bench.output, false);
  assert.equal(bench.read(IRR + 0x20), 0);
  assert.equal(bench.read(ISR + 0x20), 2);
  assert.equal(bench.read(PPR), 0x40);
  bench.write(EOI, 0);
  assert.equal(bench.read(ISR + 0x20), 0);
  assert.deepEqual(bench.eois, []);
});

test('only a higher class interrupts the one in service', () => {
  const bench = new Bench().enable();
  bench.apic.receiver.deliver(0x41, 0, 'edge');
  bench.apic.acknowledge();
  bench.apic.receiver.deliver(0x4f, 0, 'edge');
  assert.equal(bench.output, false);
  bench.apic.receiver.deliver(0x50, 0, 'edge');
  assert.equal(bench.apic.acknowledge(), 0x50);
  bench.write(EOI, 0);
  assert.equal(bench.output, false);
  bench.write(EOI, 0);
  assert.equal(bench.apic.acknowledge(), 0x4f);
});

test('the task priority holds back its class and those below; a late acknowledge is spurious', () => {
  const bench = new Bench().enable();
  bench.apic.receiver.deliver(0x35, 0, 'edge');
  bench.apic.taskPriority = 0x30;
  assert.equal(bench.read(TPR), 0x30);
  assert.equal(bench.read(PPR), 0x30);
  assert.equal(bench.output, false);
  assert.equal(bench.apic.acknowledge(), 0xff);
  bench.write(TPR, 0x2f);
  assert.equal(bench.output, true);
});

test('the EOI of a level-triggered interrupt is told to the I/O APICs', () => {
  const bench = new Bench().enable();
  bench.apic.receiver.deliver(0x61, 0, 'level');
  assert.equal(bench.read(TMR + 0x30), 2);
  bench.apic.acknowledge();
  bench.write(EOI, 0);
  assert.deepEqual(bench.eois, [0x61]);
});

test('a software-disabled APIC takes no fixed interrupt but still NMI, INIT and start-up', () => {
  const bench = new Bench([0, 1]);
  bench.apic.receiver.deliver(0x41, 0, 'edge');
  assert.equal(bench.output, false);
  bench.apics[1].receiver.deliver(0, 4, 'edge');
  bench.apics[1].receiver.deliver(0, 5, 'edge');
  bench.apics[1].receiver.deliver(0x9a, 6, 'edge');
  assert.deepEqual(bench.events, ['nmi 1', 'init 1', 'startUp 1 154']);
});

test('disabling by software masks the local vector table, which cannot be unmasked then', () => {
  const bench = new Bench().enable();
  bench.write(LVT_LINT0, 0x700);
  bench.write(SVR, 0xff);
  assert.equal(bench.read(LVT_LINT0), 0x10700);
  bench.write(LVT_LINT0, 0x700);
  assert.equal(bench.read(LVT_LINT0), 0x10700);
});

test('in virtual wire mode LINT0 passes the 8259A through and LINT1 is NMI', () => {
  const bench = new Bench();
  bench.apic.lint0.set(true);
  assert.equal(bench.output, true);
  assert.equal(bench.apic.pendingVector, -1);
  assert.equal(bench.apic.acknowledge(), 0x08);
  bench.apic.lint0.set(false);
  assert.equal(bench.output, false);
  bench.apic.lint1.set(true);
  assert.deepEqual(bench.events, ['nmi 0']);
});

test('an APIC disabled by its base register hands its pins to the processor and ignores messages', () => {
  const bench = new Bench().enable();
  assert.equal(bench.apic.writeMsr(BASE_MSR, 0xfee00100n), true);
  assert.equal(bench.apic.mmioEnabled, false);
  bench.apic.receiver.deliver(0x41, 0, 'edge');
  assert.equal(bench.output, false);
  bench.apic.lint0.set(true);
  assert.equal(bench.apic.acknowledge(), 0x08);
  bench.apic.lint1.set(true);
  assert.deepEqual(bench.events, ['nmi 0']);
  assert.equal(bench.read(0x20), 0xffffffff);
});

test('an ExtINT message waits for the acknowledge at the 8259A', () => {
  const bench = new Bench().enable();
  bench.bus.message(0xfee00000, 0x0700);
  assert.equal(bench.output, true);
  assert.equal(bench.apic.acknowledge(), 0x08);
  assert.equal(bench.output, false);
});

test('a level-triggered pin in fixed mode interrupts again after its EOI until it falls', () => {
  const bench = new Bench().enable();
  bench.write(LVT_LINT0, 0x8031);
  bench.apic.lint0.set(true);
  assert.equal(bench.read(LVT_LINT0), 0xc031);
  assert.equal(bench.apic.acknowledge(), 0x31);
  bench.write(EOI, 0);
  assert.equal(bench.apic.acknowledge(), 0x31);
  bench.apic.lint0.set(false);
  bench.write(EOI, 0);
  assert.equal(bench.output, false);
  assert.equal(bench.read(LVT_LINT0), 0x8031);
});

test('the one-shot timer counts at the divided rate and interrupts once', () => {
  const bench = new Bench().enable();
  bench.write(DIVIDE, 0x3);
  bench.write(LVT_TIMER, 0x40);
  bench.write(INITIAL_COUNT, 100);
  assert.equal(bench.read(INITIAL_COUNT), 100);
  bench.wait(800n);
  assert.equal(bench.read(CURRENT_COUNT), 50);
  bench.wait(799n);
  assert.equal(bench.output, false);
  bench.wait(1n);
  assert.equal(bench.apic.acknowledge(), 0x40);
  assert.equal(bench.read(CURRENT_COUNT), 0);
  bench.write(EOI, 0);
  bench.wait(100_000n);
  assert.equal(bench.output, false);
});

test('every divide configuration divides as the manual says', () => {
  const bench = new Bench().enable();
  const divisors = [2, 4, 8, 16, 32, 64, 128, 1];
  divisors.forEach((divisor, code) => {
    bench.write(DIVIDE, (code & 3) | ((code & 4) << 1));
    bench.write(INITIAL_COUNT, 1_000_000);
    bench.wait(128n * 100n);
    assert.equal(bench.read(CURRENT_COUNT), 1_000_000 - 12800 / divisor);
  });
});

test('the periodic timer interrupts every period without drift', () => {
  const bench = new Bench().enable();
  bench.write(DIVIDE, 0xb);
  bench.write(LVT_TIMER, 0x20040);
  bench.write(INITIAL_COUNT, 1_000_000);
  for (let i = 1; i <= 5; i++) {
    bench.clock.advanceTo(BigInt(i) * 1_000_000n);
    assert.equal(bench.apic.acknowledge(), 0x40);
    bench.write(EOI, 0);
  }
  bench.wait(250_000n);
  assert.equal(bench.read(CURRENT_COUNT), 750_000);
  bench.write(INITIAL_COUNT, 0);
  bench.wait(10_000_000n);
  assert.equal(bench.output, false);
});

test('a one-shot count that has ended stays at zero when the timer becomes periodic', () => {
  const bench = new Bench().enable();
  bench.write(DIVIDE, 0xb);
  bench.write(LVT_TIMER, 0x40);
  bench.write(INITIAL_COUNT, 1_000_000);
  bench.wait(1_500_000n);
  bench.apic.acknowledge();
  bench.write(EOI, 0);
  bench.write(LVT_TIMER, 0x20040);
  bench.wait(10_200_000n);
  assert.equal(bench.read(CURRENT_COUNT), 0);
  assert.equal(bench.output, false);
});

test('a masked timer counts without interrupting', () => {
  const bench = new Bench().enable();
  bench.write(DIVIDE, 0xb);
  bench.write(LVT_TIMER, 0x10040);
  bench.write(INITIAL_COUNT, 1000);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
  bench.wait(600n);
  assert.equal(bench.read(CURRENT_COUNT), 400);
  bench.write(LVT_TIMER, 0x40);
  bench.wait(400n);
  assert.equal(bench.output, true);
});

test('a periodic timer of one nanosecond does not flood the machine', () => {
  const bench = new Bench().enable();
  bench.write(DIVIDE, 0xb);
  bench.write(LVT_TIMER, 0x20040);
  bench.write(INITIAL_COUNT, 1);
  bench.wait(1000n);
  const next = bench.clock.nextDeadlineNanos() ?? 0n;
  assert.ok(next >= 10_000n);
});

test('TSC-deadline mode interrupts when the counter reaches the deadline, and disarms itself', () => {
  const bench = new Bench().enable();
  bench.apic.writeMsr(TSC_DEADLINE_MSR, 5000n);
  assert.equal(bench.apic.readMsr(TSC_DEADLINE_MSR), 0n, 'ignored in one-shot mode');
  bench.write(LVT_TIMER, 0x40040);
  bench.apic.writeMsr(TSC_DEADLINE_MSR, 5001n);
  assert.equal(bench.apic.readMsr(TSC_DEADLINE_MSR), 5001n);
  bench.wait(2500n);
  assert.equal(bench.output, false);
  bench.wait(1n);
  assert.equal(bench.apic.acknowledge(), 0x40);
  assert.equal(bench.apic.readMsr(TSC_DEADLINE_MSR), 0n);
  bench.write(EOI, 0);
  bench.apic.writeMsr(TSC_DEADLINE_MSR, 1n);
  assert.equal(bench.output, true, 'a deadline in the past expires at once');
});

test('writing zero or leaving the mode disarms the deadline', () => {
  const bench = new Bench().enable();
  bench.write(LVT_TIMER, 0x40040);
  bench.apic.writeMsr(TSC_DEADLINE_MSR, 5000n);
  bench.apic.writeMsr(TSC_DEADLINE_MSR, 0n);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
  bench.apic.writeMsr(TSC_DEADLINE_MSR, 0xffff_ffff_ffff_ffffn);
  bench.write(LVT_TIMER, 0x40);
  assert.equal(bench.clock.nextDeadlineNanos(), undefined);
});

test('interprocessor interrupts reach physical, logical and shorthand destinations', () => {
  const bench = new Bench([0, 1, 2]).enable();
  const taken = () => bench.outputs.map((level, i) => (level ? bench.apics[i].acknowledge() : 0));
  const ended = () => {
    for (const apic of bench.apics) bench.write(EOI, 0, apic);
  };
  const send = (high: number, low: number) => {
    bench.write(ICR_HIGH, high);
    bench.write(ICR, low);
    const result = taken();
    ended();
    return result;
  };
  bench.apics.forEach((apic, i) => {
    bench.write(LDR, (1 << i) << 24, apic);
  });
  assert.deepEqual(send(0x02000000, 0x4041), [0, 0, 0x41]);
  assert.deepEqual(send(0xff000000, 0x4041), [0x41, 0x41, 0x41]);
  assert.deepEqual(send(0x03000000, 0x4841), [0x41, 0x41, 0]);
  assert.deepEqual(send(0, 0x44041), [0x41, 0, 0]);
  assert.deepEqual(send(0, 0x84041), [0x41, 0x41, 0x41]);
  assert.deepEqual(send(0, 0xc4041), [0, 0x41, 0x41]);
  bench.apic.taskPriority = 0x20;
  assert.deepEqual(send(0x07000000, 0x4941), [0, 0x41, 0], 'lowest priority');
  assert.equal(bench.read(ICR), 0x4941);
});

test('cluster model matches cluster and member', () => {
  const bench = new Bench().enable();
  bench.write(DFR, 0x0fffffff);
  bench.write(LDR, 0x24000000);
  assert.equal(bench.apic.receiver.matches(0x26, 'logical'), true);
  assert.equal(bench.apic.receiver.matches(0x22, 'logical'), false);
  assert.equal(bench.apic.receiver.matches(0x14, 'logical'), false);
  assert.equal(bench.apic.receiver.matches(0xff, 'logical'), true);
});

test('INIT, de-assert INIT and start-up IPIs start another processor', () => {
  const bench = new Bench([0, 1]).enable();
  bench.write(ICR_HIGH, 0x01000000);
  bench.write(ICR, 0xc500);
  bench.write(ICR, 0x8500);
  bench.write(ICR, 0x4699);
  assert.deepEqual(bench.events, ['init 1', 'startUp 1 153']);
  assert.equal(bench.apics[1].read(SVR, 4), 0xff, 'INIT resets the registers');
});

test('illegal vectors and registers are reported through ESR and the error interrupt', () => {
  const bench = new Bench().enable();
  bench.write(LVT_ERROR, 0xfe);
  bench.write(ICR, 0x4405);
  bench.write(ICR, 0x4005);
  assert.equal(bench.apic.acknowledge(), 0xfe);
  bench.apic.receiver.deliver(3, 0, 'edge');
  bench.read(0x40);
  assert.equal(bench.read(ESR), 0);
  bench.write(ESR, 0);
  assert.equal(bench.read(ESR), 0xe0);
  bench.write(ESR, 0);
  assert.equal(bench.read(ESR), 0);
});

test('x2APIC mode is entered from xAPIC mode only and left through disabled only', () => {
  const bench = new Bench();
  const { apic } = bench;
  assert.equal(apic.readMsr(BASE_MSR), 0xfee00900n);
  assert.equal(apic.readMsr(0x802), undefined);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfee00400n), false);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfee00901n), false);
  assert.equal(apic.writeMsr(BASE_MSR, 1n << 40n), false);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfee00d00n), true);
  assert.equal(apic.mmioEnabled, false);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfee00900n), false);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfee00100n), true);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfee00d00n), false);
  assert.equal(apic.writeMsr(BASE_MSR, 0xfec10900n), true);
  assert.equal(apic.baseGpa, 0xfec10000);
});

test('x2APIC registers are reached by MSR, and reserved ones fault', () => {
  const bench = new Bench([0x25]);
  const { apic } = bench;
  apic.writeMsr(BASE_MSR, 0xfee00d00n);
  assert.equal(apic.readMsr(0x802), 0x25n);
  assert.equal(apic.readMsr(0x80d), 0x20020n);
  assert.equal(apic.writeMsr(0x80d, 0n), false);
  assert.equal(apic.readMsr(0x80e), undefined);
  assert.equal(apic.readMsr(0x831), undefined);
  assert.equal(apic.writeMsr(0x831, 0n), false);
  assert.equal(apic.readMsr(0x80b), undefined);
  assert.equal(apic.writeMsr(0x80b, 1n), false);
  assert.equal(apic.writeMsr(0x808, 0x100n), false);
  assert.equal(apic.writeMsr(0x808, 1n << 32n), false);
  assert.equal(apic.writeMsr(0x80f, 0x1ffn), true);
  assert.equal(apic.writeMsr(0x83f, 0x77n), true);
  assert.equal(apic.acknowledge(), 0x77);
  assert.equal(apic.readMsr(0x813), 1n << 23n);
  assert.equal(apic.writeMsr(0x80b, 0n), true);
  assert.equal(apic.writeMsr(0x830, (0x25n << 32n) | 0x4078n), true);
  assert.equal(apic.readMsr(0x830), (0x25n << 32n) | 0x4078n);
  assert.equal(apic.acknowledge(), 0x78);
  assert.equal(apic.receiver.matches(0x20020, 'logical'), true);
  assert.equal(apic.receiver.matches(0x30020, 'logical'), false);
  assert.equal(apic.receiver.matches(0xffffffff, 'physical'), true);
});

test('a restored APIC goes on with its interrupts and its timer', () => {
  const first = new Bench().enable();
  first.write(DIVIDE, 0xb);
  first.write(LVT_TIMER, 0x20040);
  first.write(INITIAL_COUNT, 50_000);
  first.apic.receiver.deliver(0x50, 0, 'level');
  first.apic.acknowledge();
  first.apic.receiver.deliver(0x60, 0, 'edge');
  first.wait(20_000n);
  const second = new Bench();
  second.clock.advanceTo(20_000n);
  second.apic.restore(first.apic.save());
  assert.deepEqual(second.apic.save(), first.apic.save());
  assert.equal(second.output, true);
  assert.equal(second.apic.acknowledge(), 0x60);
  second.write(EOI, 0);
  second.write(EOI, 0);
  assert.deepEqual(second.eois, [0x50]);
  assert.equal(second.output, false);
  second.wait(30_000n);
  assert.equal(second.apic.acknowledge(), 0x40);
});

test('a record of another version is refused', () => {
  assert.throws(() => new Bench().apic.restore({ version: -1 }), /version -1/);
});

test('no access of any value, size, offset or MSR throws, and reads are unsigned', () => {
  const bench = new Bench([0, 1]);
  for (let i = 0; i < 40000; i++) {
    const value = Math.imul(i + 1, 0x9e3779b1) >>> 0;
    const offset = (value >>> 5) & 0xff0;
    bench.apic.write(offset, i % 7 === 0 ? 2 : 4, i & 1 ? value : value & 0x700ff);
    const read = bench.apic.read((value >>> 9) & 0xfff, 4);
    assert.ok(Number.isInteger(read) && read >= 0 && read <= 0xffffffff);
    bench.apic.writeMsr(0x800 + (value & 0x3f), BigInt(value));
    if (i % 50 === 0) bench.apic.writeMsr(BASE_MSR, 0xfee00000n | BigInt(value & 0xd00));
    bench.apic.lint0.set((i & 16) !== 0);
    bench.wait(BigInt(value & 0xff));
    if (bench.output) assert.ok(bench.apic.acknowledge() <= 0xff);
  }
});
