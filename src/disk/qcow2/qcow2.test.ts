import { describeBlockDevice, type FormatCase, IMAGE } from '../block-device.case.ts';
import { createQcow2, type Qcow2Options } from './create.ts';

function qcow2(name: string, options: Partial<Qcow2Options>, sizeBytes = 8 << 20): FormatCase {
  return {
    name: `qcow2 ${name}`,
    format: 'qcow2',
    sizeBytes,
    resizes: true,
    headerBytes: 112,
    async create(host, size) {
      const file = await host.files.create(IMAGE);
      await createQcow2(file, { sizeBytes: size, ...options }, host);
      await file.close();
    },
  };
}

describeBlockDevice(qcow2('version 3', {}));
describeBlockDevice(qcow2('version 2', { version: 2 }));
describeBlockDevice(qcow2('with small clusters', { clusterBytes: 512 }, 4 << 20));
describeBlockDevice(qcow2('with large clusters', { clusterBytes: 2 << 20 }));
describeBlockDevice(qcow2('with refcounts of one bit', { refcountBits: 1, clusterBytes: 4096 }));
describeBlockDevice(qcow2('with refcounts of 64 bits and small clusters', { refcountBits: 64, clusterBytes: 512 }));
describeBlockDevice(qcow2('of an odd size', { clusterBytes: 65536 }, (8 << 20) + 512 * 77));
