/** Runs an image on the project's own engines. */

import type { CpuEnvironment } from '../../src/cpu/environment.ts';
import type { HandlerStore } from '../../src/cpu/handler-library.ts';
import type { JitOptions } from '../../src/cpu/machine-code.ts';
import { layOutMemory } from '../../src/cpu/memory-layout.ts';
import { MemoryStore, noTurn } from '../../src/cpu/memory-store.case.ts';
import { CR8_AS_MSR } from '../../src/cpu/system/port.ts';
import { enterProtected32 } from '../../src/cpu/system/reset.ts';
import { Vcpu } from '../../src/cpu/vcpu.ts';
import { addressOf, type Image } from './image.ts';

const RAM_BYTES = 16 << 20;
const RECORD_BYTES = 64 << 20;
const DEBUG_PORT = 0xe9;
const MOST_INSTRUCTIONS = 20_000_000;

/** A store with the handlers that an image needs. */
export async function handlersFor(image: Image): Promise<HandlerStore> {
  const store = new MemoryStore();
  const vcpu = processorFor(image, [], undefined, store);
  vcpu.run(MOST_INSTRUCTIONS);
  await vcpu.engine.machineCode.keepHandlers(noTurn);
  return store;
}

/** What the image prints. @throws Error when it does not end by a triple fault */
export function runOnEngine(image: Image, jit?: JitOptions, handlers?: HandlerStore): string {
  const output: string[] = [];
  const vcpu = processorFor(image, output, jit, handlers);
  const exit = vcpu.run(MOST_INSTRUCTIONS);
  if (exit.kind !== 'shutdown' || exit.reason !== 'tripleFault') {
    throw new Error(`the image ended with ${JSON.stringify(exit)}, ${vcpu.describe()}, after\n${output.join('')}`);
  }
  return output.join('');
}

/** A processor about to run the image. @param output gets what it prints */
function processorFor(image: Image, output: string[], jit?: JitOptions, handlers?: HandlerStore): Vcpu {
  const layout = layOutMemory([{ gpa: 0, length: RAM_BYTES, hostOffset: 0 }], RECORD_BYTES);
  const maximumPages = layout.wasmPages;
  const memory = new WebAssembly.Memory({ initial: layout.wasmPages, maximum: maximumPages });
  let taskPriority = 0n;
  const environment: CpuEnvironment = {
    portRead: () => 0xffffffff,
    portWrite: (port, _bytes, value) => {
      if (port === DEBUG_PORT) output.push(String.fromCharCode(value & 0xff));
    },
    mmioRead: () => 0xffffffff,
    mmioWrite: () => {},
    interruptPending: () => false,
    acknowledgeInterrupt: () => -1,
    takeNmi: () => false,
    apicRead: (msr) => (msr === CR8_AS_MSR ? taskPriority : undefined),
    apicWrite: (_msr, value) => {
      taskPriority = value;
      return true;
    },
    random: () => 0n,
    nowNanos: () => 0n,
    firstWrite: () => {},
  };
  const machine = { memory, layout, shared: false, memory64: false, maximumPages };
  const vcpu = new Vcpu(machine, environment, { apicId: 0, tscHz: 1e9, apicTimerHz: 1e9, jit, handlers });
  new Uint8Array(memory.buffer, layout.ram, RAM_BYTES).set(image.assembled.bytes, image.origin);
  enterProtected32(vcpu.system.context, {
    rip: BigInt(addressOf(image.assembled, 'start')),
    registers: { 0: 0x2badb002n },
    code: 8,
    data: 16,
  });
  return vcpu;
}
