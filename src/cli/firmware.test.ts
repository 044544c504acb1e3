import assert from 'node:assert/strict';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadFirmware } from './firmware.ts';

const NEEDS_SMM = '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd';

test('firmware that needs another machine is refused in one line, whatever its file is called', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'vitrine-firmware-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'firmware.fd');
  const copied = await copyFile(NEEDS_SMM, path).then(
    () => true,
    () => false,
  );
  if (!copied) return t.skip(`this host has no ${NEEDS_SMM}`);
  await assert.rejects(
    loadFirmware({ option: '--firmware', path }, { bootMenu: false, optionRoms: [], networks: [] }),
    {
      message:
        /^--firmware: found ".*", firmware that needs system management mode \(SMM\) and pc-q35-\*, expected firmware for pc-i440fx without SMM$/,
    },
  );
});
