/** What must hold of a processor's memory whatever a guest has done. */

import type { MachineMemory } from '../../src/cpu/machine-code.ts';
import { CONTEXTS, TLB, TLB_BYTES } from '../../src/cpu/tlb.ts';
import type { Vcpu } from '../../src/cpu/vcpu.ts';
import { STATE } from '../../src/isa/registers.ts';
import { PAGE_BYTES } from '../../src/machine/guest-memory.ts';
import { expect } from './finding.ts';

const FIRST_STATE_BYTE = 65536;

/** @throws {Finding} the guest reaches, or has written, memory that is not its own, or the counts are wrong */
export function checkInvariants(vcpu: Vcpu, machine: MachineMemory): void {
  const { memory } = machine;
  const unused = new Uint8Array(memory.buffer, 0, FIRST_STATE_BYTE);
  expect(
    unused.every((byte) => byte === 0),
    () => 'memory below the state block was written',
  );
  expect(vcpu.state.u32(STATE.cpl) <= 3, () => `CPL is ${vcpu.state.u32(STATE.cpl)}`);
  expect((vcpu.state.eflags & 2) !== 0, () => 'bit 1 of EFLAGS is clear');
  const view = new DataView(memory.buffer);
  const tlbs = vcpu.state.u32(STATE.tlbArea);
  for (let at = tlbs; at < tlbs + CONTEXTS * TLB_BYTES; at += TLB.bytes) checkEntry(view, at, machine);
}

/** A valid TLB entry leads to the page of RAM that it names, and may be written to only where nobody must hear of it. */
function checkEntry(view: DataView, at: number, { layout }: MachineMemory): void {
  const readTag = view.getBigUint64(at + TLB.readTag, true);
  const writeTag = view.getBigUint64(at + TLB.writeTag, true);
  const tag = (readTag & 1n) === 0n ? readTag : writeTag;
  if ((tag & 1n) !== 0n) return;
  const gpa = view.getUint32(at + TLB.page, true) * PAGE_BYTES;
  const region = layout.regions.find((r) => gpa >= r.gpa && gpa < r.gpa + r.length);
  expect(region !== undefined, () => `the TLB leads to 0x${gpa.toString(16)}, which is not RAM`);
  const host = layout.ram + (region?.hostOffset ?? 0) + gpa - (region?.gpa ?? 0);
  const addend = view.getBigInt64(at + TLB.addend, true);
  expect(BigInt.asIntN(64, tag + addend) === BigInt(host), () => `the TLB's addend for 0x${gpa.toString(16)} is wrong`);
  const flags = view.getUint8(layout.pageFlags + gpa / PAGE_BYTES);
  expect((writeTag & 1n) !== 0n || flags === 0, () => `page 0x${gpa.toString(16)} with flags ${flags} can be written`);
}
