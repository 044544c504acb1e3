import assert from 'node:assert/strict';
import { it } from 'node:test';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
import { nodeTime } from '../src/host/node/time.ts';
import {
  configurationIn,
  deflateCodec,
  MemorySink,
  MemorySource,
  SnapshotFile,
  Vm,
  type VmConfig,
} from '../src/vm/index.ts';
import { Chromium, findChromium } from './browser/chromium.ts';
import { SnapshotServer } from './browser/snapshot-server.ts';
import { TestSerial } from './guests/machine.ts';

const TIMEOUT_MILLIS = 240_000;
const MEMORY_BYTES = 96 << 20;

/** A machine in this process, and what makes its guest say something. */
async function run(boot: Pick<VmConfig, 'kernel' | 'initrd' | 'commandLine' | 'snapshot'>) {
  const serial = new TestSerial();
  const fixed = { clock: 'host', seed: BigInt(Date.now()), noReboot: true, memoryBytes: MEMORY_BYTES } as const;
  const vm = await Vm.create({ ...fixed, ...boot, serial: [serial, undefined], host: nodeTime });
  void vm.run();
  const said = async (wanted: RegExp) => {
    const end = performance.now() + TIMEOUT_MILLIS;
    while (!wanted.test(serial.output)) {
      assert.ok(performance.now() < end && vm.status === 'running', serial.output);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  };
  return { vm, serial, said };
}

async function saved(vm: Vm): Promise<Uint8Array> {
  const sink = new MemorySink();
  await vm.snapshot(sink, { codec: deflateCodec });
  await vm.pause();
  return sink.bytes();
}

it('a guest goes on from Node to Chromium and back', { timeout: TIMEOUT_MILLIS }, async (t) => {
  const program = findChromium();
  if (program === undefined) return t.skip('there is no Chromium on this host');
  const guest = await loadDefaultGuest('').catch(() => undefined);
  if (guest === undefined) return t.skip('no kernel can be had from Debian packages on this host');
  const first = await run(guest);
  await first.said(/:\/root# /);
  first.serial.type('N=4; echo "in node: $N"\n');
  await first.said(/in node: 4/);
  const snapshot = await saved(first.vm);
  const server = new SnapshotServer(snapshot, 'N=$((N * 10 + 2)); echo "in chromium: $N"', 'in chromium: 42');
  const browser = new Chromium(program, await server.listen());
  t.after(async () => {
    server.close();
    await browser.close();
  });
  const { saved: back, output } = await server.result;
  assert.match(output, /in chromium: 42/);
  assert.ok(
    server.fetchedBytes < 2 * snapshot.length,
    `${server.fetchedBytes} of ${snapshot.length} bytes were fetched`,
  );
  const again = await SnapshotFile.open(new MemorySource(back));
  assert.equal(configurationIn(again).memoryBytes, MEMORY_BYTES);
  const last = await run({ commandLine: '', snapshot: again });
  last.serial.type('echo "in node again: $N"\n');
  await last.said(/in node again: 42/);
  await last.vm.pause();
});
