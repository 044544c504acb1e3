import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DiskImage } from '../src/disk/disk-image.ts';
import { makeIso } from '../src/disk/folder/iso9660.ts';
import { memoryFolder } from '../src/disk/folder/tree.ts';
import { NodeSharedFolder } from '../src/host/node/shared-folder.ts';
import { TestDisk } from '../src/machine/test-disk.case.ts';
import { EchoHost } from './guests/echo-host.ts';
import { makeTestMachine, runToShutdown } from './guests/machine.ts';
import { moduleBoot } from './guests/module-boot.ts';
import { LOAD_MODULES } from './guests/modules.ts';

const MODULES = [
  ['virtio_pci', 'virtio_blk', 'virtio_rng', 'virtio_net', 'e1000', '8139too', 'ne2k_pci', '9pnet_virtio', '9p'],
  ['virtio_scsi', 'sd_mod', 'sr_mod', 'isofs', 'virtio_balloon'],
].flat();
const DISK_BYTES = 8 << 20;
const BALLOON_BYTES = 32 << 20;
const LIMIT = 60e9;

/** What the guest does; each line of its report begins with a word that the tests look for. */
const SCRIPT = `
say() { echo "$1: $(eval "$2" 2>&1 | tr '\\n' ' ')"; }
say disk-before 'sha256sum < /dev/vda'
dd if=/dev/urandom of=/dev/vda bs=64k count=32 seek=16 conv=notrunc,fsync 2>/dev/null
sync; echo 3 > /proc/sys/vm/drop_caches
say disk-after 'sha256sum < /dev/vda'
say disk-discard 'blkdiscard -o 0 -l 65536 /dev/vda; head -c 65536 /dev/vda | sha256sum'
say scsi-names 'cat /sys/block/sd*/device/model /sys/block/sr*/device/model'
say scsi-before 'sha256sum < /dev/sda'
dd if=/dev/vda of=/dev/sda bs=64k count=16 seek=8 conv=notrunc,fsync 2>/dev/null
sync; echo 3 > /proc/sys/vm/drop_caches
say scsi-after 'sha256sum < /dev/sda'
say scsi-discard 'blkdiscard -o 1048576 -l 65536 /dev/sda; echo status $?'
mkdir /cd
say scsi-cd 'mount -t iso9660 -o ro /dev/sr0 /cd; cat /cd/hello.txt; umount /cd'
say random 'cat /sys/class/misc/hw_random/rng_current; head -c 64 /dev/hwrng | wc -c; head -c 64 /dev/hwrng | sha256sum'
for net in 2 3 4 5; do
  card=eth$((net - 2))
  ip addr add 10.0.$net.15/24 dev $card; ip link set $card up
  say ping-$card "ping -c 3 -s 1400 -i 0.1 10.0.$net.2 | grep transmitted"
  dd if=/dev/vda bs=64k count=40 2>/dev/null > /tmp/data
  say send-$card "nc -w 5 10.0.$net.2 9 < /tmp/data; sha256sum < /tmp/data"
  say driver-$card "readlink /sys/class/net/$card/device/driver"
done
mkdir /mnt
say mount 'mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 src /mnt; echo status $?'
cd /mnt
say share-read 'sha256sum < large'
say share-list 'ls -a folder; readlink link; cat link/../secret 2>/dev/null'
say share-write 'cp large folder/copy; mkdir made; echo text > made/file; mv made renamed; ln -s renamed/file pointer; ln large again; rm victim; chmod 640 again; truncate -s 1000 folder/copy; sync; cat pointer'
say share-owner 'chown 1000:100 renamed/file; chmod 4755 renamed/file; stat -c "%u:%g %a" renamed/file'
say share-many 'for i in $(seq 1 200); do echo $i > folder/f$i; done; cat folder/f* | sort -n | tail -1; ls folder | wc -l'
say share-outside 'ln -s /../../../../../../etc/passwd out; cat out 2>&1; ls ..  >/dev/null; cat ../outside 2>&1'
cd /; umount /mnt
`;

describe('Linux with virtio, e1000 and a shared folder', { timeout: 900_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'vitrine-virtio-'));
  const root = join(folder, 'root');
  const disk = new TestDisk(DISK_BYTES);
  const scsiDisk = new TestDisk(DISK_BYTES);
  const discFiles = memoryFolder({ 'hello.txt': new TextEncoder().encode('hello from the disc\n') }, 0);
  const disc = new DiskImage(makeIso(discFiles, { label: 'DISC', createdMillis: 0 }));
  const nets = [2, 3, 4, 5].map((net) => new EchoHost(`10.0.${net}.2`));
  const large = Uint8Array.from({ length: 3_000_001 }, (_, i) => Math.imul(i, 0x9e3779b1) >>> 17);
  const byteOfDisk = (i: number) => Math.imul(i, 0x9e3779b1) >>> 13;
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
  for (let i = 0; i < DISK_BYTES; i++) disk.bytes[i] = byteOfDisk(i);
  const diskBefore = sha256(disk.bytes);
  let output = '';
  let given = 0;
  let told: ReadonlyMap<number, bigint> = new Map();
  let missing: string | undefined;

  before(async () => {
    mkdirSync(join(root, 'folder'), { recursive: true });
    writeFileSync(join(root, 'large'), large);
    writeFileSync(join(root, 'victim'), 'x');
    writeFileSync(join(folder, 'outside'), 'outside');
    symlinkSync('folder', join(root, 'link'));
    const parts = await moduleBoot(MODULES, `${LOAD_MODULES}\n${SCRIPT}\npoweroff -f`).catch((error: Error) => {
      missing = error.message;
    });
    if (!parts) return;
    const owner = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 };
    const { machine, serial } = makeTestMachine({
      memoryBytes: 256 << 20,
      balloonChanged: (bytes) => {
        given = Math.max(given, bytes);
        if (bytes === BALLOON_BYTES) told = machine.balloon.statistics;
      },
      boot: { ...parts, commandLine: 'console=ttyS0 quiet net.ifnames=0' },
      drives: [
        { kind: 'disk', bus: 'virtio', name: 'disk', medium: disk },
        { kind: 'disk', bus: 'scsi', name: 'scsi disk', medium: scsiDisk },
        { kind: 'cdrom', bus: 'scsi', name: 'disc', medium: disc },
      ],
      networks: (['virtio', 'e1000', 'rtl8139', 'ne2k'] as const).map((model, index) => ({
        model,
        mac: Uint8Array.of(0x52, 0x54, 0, 0, 0, index),
        port: () => nets[index],
      })),
      shares: [{ tag: 'src', folder: new NodeSharedFolder(root), readOnly: false, owner }],
    });
    machine.balloon.ask(BALLOON_BYTES);
    await runToShutdown(machine, LIMIT).catch((error: Error) => assert.fail(`${error.message}\n${serial.output}`));
    output = serial.output;
  });
  after(() => rmSync(folder, { recursive: true }));

  /** What the guest said in the line of a word. */
  const said = (word: string) => new RegExp(`^${word}: (.*?) *\\r?$`, 'm').exec(output)?.[1] ?? assert.fail(output);

  function check(what: string, body: () => void): void {
    it(what, (t) => {
      if (missing === undefined) body();
      else t.skip(`no such guest here: ${missing.split('\n')[0]}`);
    });
  }

  check('reads and writes a virtio disk', () => {
    assert.equal(said('disk-before'), `${diskBefore}  -`);
    const beforeDiscard = disk.bytes.slice();
    for (let i = 0; i < 65536; i++) beforeDiscard[i] = byteOfDisk(i); // discarded since
    assert.equal(said('disk-after'), `${sha256(beforeDiscard)}  -`);
    assert.notEqual(said('disk-after'), said('disk-before'));
    assert.ok(disk.log.some((line) => line === 'flush'));
  });

  check('discards sectors', () => {
    assert.ok(disk.log.some((line) => line.startsWith('discard 0+')));
    assert.equal(said('disk-discard'), `${sha256(new Uint8Array(65536))}  -`);
  });

  check('reads and writes a SCSI disk', () => {
    assert.equal(said('scsi-names'), 'DISK             DVD-ROM');
    assert.equal(said('scsi-before'), `${sha256(new Uint8Array(DISK_BYTES))}  -`);
    const afterwards = new Uint8Array(DISK_BYTES);
    afterwards.set(disk.bytes.subarray(0, 1 << 20), 8 << 16);
    assert.equal(said('scsi-after'), `${sha256(afterwards)}  -`);
    assert.ok(scsiDisk.log.includes('flush'));
    assert.equal(said('scsi-discard'), 'status 0');
    assert.ok(scsiDisk.log.some((line) => line.startsWith('discard 1048576+65536')));
  });

  check('mounts a disc in a SCSI drive', () => {
    assert.equal(said('scsi-cd'), 'hello from the disc');
  });

  check('gives memory back, and tells of what it has', () => {
    assert.equal(given, BALLOON_BYTES);
    const [FREE_MEMORY, TOTAL_MEMORY] = [4, 5];
    assert.ok(Number(told.get(TOTAL_MEMORY)) > 128 << 20);
    assert.ok(Number(told.get(FREE_MEMORY)) > 0);
  });

  check('gets random numbers', () => {
    assert.match(said('random'), /^virtio_rng\.0 64 [0-9a-f]{64}/);
  });

  for (const [index, [card, driver]] of [
    ['eth0', 'virtio_net'],
    ['eth1', 'e1000'],
    ['eth2', '8139too'],
    ['eth3', 'ne2k-pci'],
  ].entries()) {
    check(`exchanges frames through ${driver}`, () => {
      assert.match(said(`driver-${card}`), new RegExp(driver));
      assert.match(said(`ping-${card}`), /3 packets transmitted, 3 packets received, 0% packet loss/);
      assert.deepEqual(nets[index].complaints, []);
      assert.equal(nets[index].pings, 3);
      assert.equal(said(`send-${card}`), `${nets[index].received[0]}  -`);
    });
  }

  check('reads, writes and renames in a folder of the host', () => {
    assert.equal(said('mount'), 'status 0');
    assert.equal(said('share-read'), `${sha256(large)}  -`);
    assert.equal(said('share-list'), '. .. folder');
    assert.equal(said('share-write'), 'text');
    assert.equal(said('share-many'), '200 201');
    assert.deepEqual(readdirSync(root).sort(), ['again', 'folder', 'large', 'link', 'out', 'pointer', 'renamed']);
    assert.equal(readFileSync(join(root, 'renamed', 'file'), 'utf8'), 'text\n');
    assert.equal(readlinkSync(join(root, 'pointer')), 'renamed/file');
    assert.equal(statSync(join(root, 'large')).nlink, 2);
    assert.equal(statSync(join(root, 'large')).mode & 0o777, 0o640);
    assert.deepEqual(new Uint8Array(readFileSync(join(root, 'folder', 'copy'))), large.subarray(0, 1000));
  });

  check('keeps owners and set-user-ID bits from the host', () => {
    assert.equal(said('share-owner'), '1000:100 4755');
    const facts = statSync(join(root, 'renamed', 'file'));
    assert.deepEqual([facts.uid, facts.mode & 0o7777], [process.getuid?.(), 0o755]);
  });

  check('sees nothing of the host outside of the folder', () => {
    assert.doesNotMatch(said('share-outside'), /root:|outside$/);
  });
});
