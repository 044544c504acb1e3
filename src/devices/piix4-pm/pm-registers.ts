import { requireVersion } from '../../base/state-version.ts';
import type { Alarm, Clock, Device, DeviceState, IrqLine } from '../../machine/interfaces.ts';

/** The number of the general-purpose event of GPI1#. */
export const GPI_EVENT = 9;

/** Frequency of the ACPI power management timer (ACPI 6.5 section 4.8.3.3). */
const PM_TIMER_HZ = 3_579_545n;

const NANOS_PER_SECOND = 1_000_000_000n;
/** The 24-bit timer sets its status whenever bit 23 changes. */
const TIMER_STATUS_SHIFT = 23n;
const TIMER_MASK = 0xffffffn;

/** I/O registers, by their dword: status and enable, control, timer, general-purpose status and enable (Intel 82371AB data sheet, section 7.2). */
const PMSTS_PMEN = 0x0;
const PMCNTRL = 0x4;
const PMTMR = 0x8;
const GPSTS_GPEN = 0xc;

/** Set when the chip's input GPI1# is asserted. */
const GPI_STS = 0x0200;

const TMROF_STS = 0x0001;
const PWRBTN_STS = 0x0100;
const STATUS_CLEARABLE = 0x8d31;
const ENABLE_WRITABLE = 0x0521;
/** Sources whose status and enable bits lie at the same place and raise the SCI. */
const SCI_SOURCES = 0x0521;
const SCI_EN = 0x0001;
const CONTROL_WRITABLE = 0x1c02;
const SUS_EN = 0x2000;
const SUS_TYP = 0x1c00;
/** SUS_TYP of soft-off: what \_S5 tells the guest to write. */
const SUS_TYP_SOFT_OFF = 0;
const STATE_VERSION = 1;

/**
 * The power management registers of the PIIX4: ACPI's PM1 event and control registers, and its timer. Of its
 * general-purpose events there is GPI1#, of its device monitors none. SCI_EN is always set: there is no legacy power management to leave.
 */
export class Piix4PmRegisters implements Device {
  /** The power button: pressed while asserted. */
  readonly powerButton: IrqLine = { set: (level) => this.#setPowerButton(level) };
  /** GPI1#: general-purpose event {@link GPI_EVENT} happens when it is asserted. */
  readonly generalInput: IrqLine = { set: (level) => this.#setGeneralInput(level) };
  readonly #clock: Clock;
  readonly #sci: IrqLine;
  readonly #powerOff: () => void;
  readonly #overflow: Alarm;
  #status = 0;
  #enable = 0;
  #control = SCI_EN;
  #generalStatus = 0;
  #generalEnable = 0;
  /** How often bit 23 has changed when it sets TMROF_STS next. */
  #overflowAt = 1n;

  /** @param powerOff called when the guest enters soft-off */
  constructor(clock: Clock, sci: IrqLine, powerOff: () => void) {
    this.#clock = clock;
    this.#sci = sci;
    this.#powerOff = powerOff;
    this.#overflow = clock.createAlarm(() => this.#update());
  }

  read(offset: number, size: number): number {
    const value = this.#readDword(offset & ~3) >>> ((offset & 3) * 8);
    return size === 4 ? value : value & (2 ** (size * 8) - 1);
  }

  write(offset: number, size: number, value: number): void {
    const shift = (offset & 3) * 8;
    const mask = (size === 4 ? 0xffffffff : 2 ** (size * 8) - 1) << shift;
    this.#writeDword(offset & ~3, value << shift, mask);
  }

  save(): DeviceState {
    return {
      version: STATE_VERSION,
      status: this.#status | (this.#hasOverflowed() ? TMROF_STS : 0),
      enable: this.#enable,
      control: this.#control,
      overflowAt: this.#overflowAt,
      generalStatus: this.#generalStatus,
      generalEnable: this.#generalEnable,
    };
  }

  /** Older states have no general-purpose events. */
  restore(state: DeviceState): void {
    requireVersion('Piix4PmRegisters', state.version, STATE_VERSION);
    this.#status = Number(state.status) & STATUS_CLEARABLE;
    this.#enable = Number(state.enable) & ENABLE_WRITABLE;
    this.#control = (Number(state.control) & CONTROL_WRITABLE) | SCI_EN;
    this.#overflowAt = BigInt(state.overflowAt as bigint);
    this.#generalStatus = Number(state.generalStatus ?? 0) & GPI_STS;
    this.#generalEnable = Number(state.generalEnable ?? 0) & GPI_STS;
    this.#update();
  }

  #setPowerButton(level: boolean): void {
    if (level) this.#status |= PWRBTN_STS;
    this.#update();
  }

  #setGeneralInput(level: boolean): void {
    if (level) this.#generalStatus |= GPI_STS;
    this.#update();
  }

  #readDword(offset: number): number {
    if (offset === PMSTS_PMEN) {
      this.#update();
      return this.#status | (this.#enable << 16);
    }
    if (offset === PMCNTRL) return this.#control;
    if (offset === GPSTS_GPEN) return this.#generalStatus | (this.#generalEnable << 16);
    return offset === PMTMR ? Number(this.#ticks() & TIMER_MASK) : 0;
  }

  #writeDword(offset: number, value: number, mask: number): void {
    if (offset === PMSTS_PMEN) {
      this.#clearStatus(value & mask & STATUS_CLEARABLE);
      const enable = (this.#enable & ~(mask >>> 16)) | ((value & mask) >>> 16);
      this.#enable = enable & ENABLE_WRITABLE;
      this.#update();
    } else if (offset === GPSTS_GPEN) {
      this.#generalStatus &= ~(value & mask);
      this.#generalEnable = ((this.#generalEnable & ~(mask >>> 16)) | ((value & mask) >>> 16)) & GPI_STS;
      this.#update();
    } else if (offset === PMCNTRL) {
      const control = (this.#control & ~mask) | (value & mask);
      this.#control = (control & CONTROL_WRITABLE) | SCI_EN;
      const sleeps = (value & mask & SUS_EN) !== 0;
      if (sleeps && (control & SUS_TYP) === SUS_TYP_SOFT_OFF) this.#powerOff();
    }
  }

  #clearStatus(bits: number): void {
    this.#status &= ~bits;
    if (bits & TMROF_STS) this.#overflowAt = (this.#ticks() >> TIMER_STATUS_SHIFT) + 1n;
  }

  /** Brings status, alarm and interrupt up to date. */
  #update(): void {
    if (this.#hasOverflowed()) this.#status |= TMROF_STS;
    if (this.#enable & ~this.#status & TMROF_STS)
      this.#overflow.arm(nanosAtTick(this.#overflowAt << TIMER_STATUS_SHIFT));
    else this.#overflow.cancel();
    const fixed = this.#status & this.#enable & SCI_SOURCES;
    this.#sci.set((fixed | (this.#generalStatus & this.#generalEnable)) !== 0);
  }

  #hasOverflowed(): boolean {
    return this.#ticks() >> TIMER_STATUS_SHIFT >= this.#overflowAt;
  }

  #ticks(): bigint {
    return (this.#clock.nowNanos() * PM_TIMER_HZ) / NANOS_PER_SECOND;
  }
}

/** The first nanosecond at which the timer has made `tick` ticks. */
function nanosAtTick(tick: bigint): bigint {
  return (tick * NANOS_PER_SECOND + PM_TIMER_HZ - 1n) / PM_TIMER_HZ;
}
