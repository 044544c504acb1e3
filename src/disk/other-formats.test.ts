import { describeBlockDevice, type FormatCase, IMAGE } from './block-device.case.ts';
import type { DiskHost, ImageFile } from './interfaces.ts';
import { createVdi } from './vdi.ts';
import { createVhd } from './vhd.ts';
import { createVhdx } from './vhdx/vhdx.ts';
import { createVmdk } from './vmdk/vmdk.ts';

type Create = (file: ImageFile, sizeBytes: number, host: DiskHost) => Promise<void>;

function format(name: string, format: string, make: Create, more: Partial<FormatCase> = {}): FormatCase {
  return {
    name,
    format,
    async create(host, sizeBytes) {
      const file = await host.files.create(IMAGE);
      await make(file, sizeBytes, host).finally(() => file.close());
    },
    ...more,
  };
}

const DYNAMIC_VHD_HEADERS = { headerBytes: 512 + 1024 };

describeBlockDevice(
  format('vdi', 'vdi', (file, sizeBytes, host) => createVdi(file, { sizeBytes }, host), { headerBytes: 512 }),
);
describeBlockDevice(
  format('fixed vdi', 'vdi', (file, sizeBytes, host) => createVdi(file, { sizeBytes, fixed: true }, host)),
);
describeBlockDevice(
  format('vhd', 'vpc', (file, sizeBytes, host) => createVhd(file, { sizeBytes }, host), DYNAMIC_VHD_HEADERS),
);
describeBlockDevice(
  format('fixed vhd', 'vhd', (file, sizeBytes, host) => createVhd(file, { sizeBytes, fixed: true }, host)),
);
describeBlockDevice(format('vhdx', 'vhdx', (file, sizeBytes, host) => createVhdx(file, { sizeBytes }, host)));
describeBlockDevice(
  format(
    'vhdx with small blocks',
    'vhdx',
    (file, sizeBytes, host) => createVhdx(file, { sizeBytes, blockBytes: 1 << 20 }, host),
    {
      headerBytes: 0x40000,
    },
  ),
);
describeBlockDevice(
  format('fixed vhdx', 'vhdx', (file, sizeBytes, host) => createVhdx(file, { sizeBytes, fixed: true }, host)),
);
describeBlockDevice(
  format('vmdk', 'vmdk', (file, sizeBytes, host) => createVmdk(file, { sizeBytes }, host), { headerBytes: 512 }),
);
describeBlockDevice(
  format('flat vmdk', 'vmdk', (file, sizeBytes, host) => createVmdk(file, { sizeBytes, kind: 'monolithicFlat' }, host)),
);
describeBlockDevice(
  format(
    'stream-optimized vmdk',
    'vmdk',
    (file, sizeBytes, host) => createVmdk(file, { sizeBytes, kind: 'streamOptimized' }, host),
    { readOnly: true, headerBytes: 512 },
  ),
);
