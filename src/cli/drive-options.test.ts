import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseCd, parseDisk } from './drive-options.ts';

describe('--disk', () => {
  it('takes a file alone for an IDE disk whose format is found out', () => {
    assert.deepEqual(parseDisk('a=b.img'), { option: '--disk', path: 'a=b.img', bus: 'ide', readOnly: false });
  });

  it('takes format, bus, readonly and overlay in any order', () => {
    const rest = { option: '--disk', path: 'd', readOnly: true, format: 'qcow2', bus: 'virtio' };
    assert.deepEqual(parseDisk('d,readonly,bus=virtio,format=qcow2'), rest);
    assert.deepEqual(parseDisk('d,overlay').overlay, 'temporary');
    assert.deepEqual(parseDisk('d,overlay=x=y').overlay, { path: 'x=y' });
  });

  it('puts a CD drive on a bus, and leaves other commas in the name', () => {
    assert.deepEqual(parseCd('a,b.iso'), { option: '--cdrom', path: 'a,b.iso', bus: 'ide' });
    assert.deepEqual(parseCd('a,b.iso,bus=scsi'), { option: '--cdrom', path: 'a,b.iso', bus: 'scsi' });
    assert.throws(() => parseCd('c.iso,bus=usb'), /--cdrom: found "bus=usb", expected bus=ide, scsi/);
  });

  it('takes two commas for one in a file name', () => {
    const { path, overlay } = parseDisk('a,,b,overlay=c,,d');
    assert.equal(path, 'a,b');
    assert.deepEqual(overlay, { path: 'c,d' });
  });

  for (const wrong of ['', ',readonly', 'd,', 'd,readonly=1', 'd,format=', 'd,bus', 'd,bus=usb', 'd,overlay=', 'd,x']) {
    it(`refuses "${wrong}" in words`, () => {
      assert.throws(() => parseDisk(wrong), /^UsageError|^Error: --disk: found ".*", expected (FILE|bus=ide, ahci)/);
    });
  }
});
