import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { before, describe, it } from 'node:test';
import { TestDisk } from '../src/machine/test-disk.case.ts';
import { makeTestMachine, runToShutdown } from './guests/machine.ts';
import { moduleBoot } from './guests/module-boot.ts';
import { LOAD_MODULES } from './guests/modules.ts';

const DISK_BYTES = 8 << 20;
const CPUS = 2;
const LIMIT = 20e9;

/** What the guest does; each line of its report begins with a word that the test looks for. */
const SCRIPT = `
say() { echo "$1: $(eval "$2" 2>&1 | tr '\\n' ' ')"; }
n=0; while [ ! -b /dev/nvme0n1 ] && [ $n -lt 50 ]; do sleep 0.1; n=$((n + 1)); done
say model 'cat /sys/class/nvme/nvme0/model /sys/class/nvme/nvme0/serial'
say interrupts 'grep -c nvme0q /proc/interrupts'
say before 'sha256sum < /dev/nvme0n1'
dd if=/dev/nvme0n1 of=/dev/nvme0n1 bs=1M count=2 seek=4 conv=notrunc,fsync 2>/dev/null
dd if=/dev/zero of=/dev/nvme0n1 bs=512 count=3 seek=5 conv=notrunc,fsync oflag=direct 2>/dev/null
sync; echo 3 > /proc/sys/vm/drop_caches
say after 'sha256sum < /dev/nvme0n1'
say discard 'blkdiscard -o 1048576 -l 65536 /dev/nvme0n1; echo status $?'
say errors 'dmesg | grep -i nvme | grep -i -c -e error -e timeout -e fail'
`;

describe('Linux with an NVMe disk', { timeout: 900_000 }, () => {
  const disk = new TestDisk(DISK_BYTES);
  const expected = new Uint8Array(DISK_BYTES);
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  for (let i = 0; i < DISK_BYTES; i++) expected[i] = Math.imul(i, 0x9e3779b1) >>> 13;
  disk.bytes.set(expected);
  const atFirst = sha256(expected);
  let output = '';
  let missing: string | undefined;

  before(async () => {
    const parts = await moduleBoot(['nvme'], `${LOAD_MODULES}\n${SCRIPT}\npoweroff -f`).catch((error: Error) => {
      missing = error.message;
    });
    if (!parts) return;
    const { machine, serial } = makeTestMachine({
      memoryBytes: 256 << 20,
      cpuCount: CPUS,
      boot: { ...parts, commandLine: 'console=ttyS0 quiet' },
      drives: [{ kind: 'disk', bus: 'nvme', name: 'disk', medium: disk }],
      jit: { hotAfter: 1000 },
    });
    await runToShutdown(machine, LIMIT).catch((error: Error) => assert.fail(`${error.message}\n${serial.output}`));
    output = serial.output;
  });

  /** What the guest said in the line of a word. */
  const said = (word: string) => new RegExp(`^${word}: (.*?) *\\r?$`, 'm').exec(output)?.[1] ?? assert.fail(output);

  function check(what: string, body: () => void): void {
    it(what, (t) => {
      if (missing === undefined) body();
      else t.skip(`no such guest here: ${missing.split('\n')[0]}`);
    });
  }

  check('finds it, with a queue and a vector for each processor', () => {
    assert.match(said('model'), /^Vitrine NVMe disk +VTN00001/);
    assert.equal(said('interrupts'), `${CPUS + 1}`);
    assert.equal(said('errors'), '0');
  });

  check('reads and writes it', () => {
    assert.equal(said('before'), `${atFirst}  -`);
    expected.copyWithin(4 << 20, 0, 2 << 20);
    expected.fill(0, 5 * 512, 8 * 512);
    assert.equal(said('after'), `${sha256(expected)}  -`);
    assert.ok(disk.log.includes('flush'));
  });

  check('discards sectors, and the disk has what was written', () => {
    assert.equal(said('discard'), 'status 0');
    assert.ok(disk.log.includes('discard 1048576+65536'));
    expected.fill(0, 1 << 20, (1 << 20) + 65536);
    assert.equal(sha256(disk.bytes), sha256(expected));
  });
});
