import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { zstdCodec } from '../src/host/node/snapshot-files.ts';
import { deflateCodec, MemorySink, MemorySource, SnapshotFile } from '../src/vm/index.ts';
import { multibootKernel } from './guests/multiboot.ts';
import { ECHO_SOURCE, EchoLine, makeEcho } from './snapshots/echo-guest.ts';

const FOLDER = join(import.meta.dirname, 'snapshots');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.snapshot'));

test('there are saved machines of earlier versions', () => assert.ok(files.length > 0));

for (const name of files) {
  test(`the saved machine ${name} goes on, and starts anew`, async () => {
    const snapshot = await SnapshotFile.open(new MemorySource(readFileSync(join(FOLDER, name))));
    const { vm, line } = await makeEcho({ snapshot });
    void vm.run();
    assert.equal(await line.ask('x'), '3x');
    await vm.reset();
    assert.equal(await line.ask('y'), '0y');
    await vm.pause();
  });
}

/** A line on which a character was typed before the machine is there. */
class EarlyLine extends EchoLine {
  override onByte(receive: (byte: number) => boolean): void {
    super.onByte(receive);
    receive('x'.charCodeAt(0));
  }
}

test('what was typed before a machine goes on reaches its guest', async () => {
  const snapshot = await SnapshotFile.open(new MemorySource(readFileSync(join(FOLDER, files[0]))));
  const line = new EarlyLine();
  const { vm } = await makeEcho({ snapshot, serial: [line] });
  void vm.run();
  while (line.output.length < 2) await new Promise((resolve) => setImmediate(resolve));
  assert.equal(line.output, '3x');
  await vm.pause();
});

for (const codec of [deflateCodec, zstdCodec]) {
  test(`a running machine is saved by ${codec.name}; it and two copies go on`, async () => {
    const { vm, line } = await makeEcho({ kernel: multibootKernel(ECHO_SOURCE) });
    void vm.run();
    assert.equal(await line.ask('a'), '0a');
    const sink = new MemorySink();
    const saved = vm.snapshot(sink, { codec });
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await line.ask('b'), '1b');
    await saved;
    for (let copy = 0; copy < 2; copy++) {
      const snapshot = await SnapshotFile.open(new MemorySource(sink.bytes()), [codec]);
      const other = await makeEcho({ snapshot });
      void other.vm.run();
      assert.equal(await other.line.ask('c'), '1c');
      await other.vm.pause();
    }
    assert.equal(await line.ask('d'), '2d');
    await vm.pause();
  });
}
