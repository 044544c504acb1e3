import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
import { readBootFile } from '../src/vm/boot-file.ts';
import { projectRoot } from './source-files.ts';

const launcher = join(projectRoot, 'bin/vitrine');
const LIMIT_SECONDS = 240;
const PROMPT = 'vitrine:/root# ';

const SCRIPT = `#!ipxe
kernel http://\${next-server}/linux/kernel console=ttyS0 quiet booted=\${filename}
initrd http://\${next-server}/linux/initrd
boot
`;

const skip = spawnSync('apt-get', ['--version']).error !== undefined && 'no apt-get on this host';

describe('vitrine run --boot net', { skip }, () => {
  it('boots a kernel and its initial RAM disk by iPXE, HTTP and the built-in BIOS', async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-boot-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const { kernel, initrd } = await loadDefaultGuest('');
    mkdirSync(join(folder, 'linux'));
    writeFileSync(join(folder, 'boot.ipxe'), SCRIPT);
    writeFileSync(join(folder, 'linux/kernel'), await readBootFile(kernel));
    writeFileSync(join(folder, 'linux/initrd'), initrd ? await readBootFile(initrd) : '');
    const net = `user,model=virtio,tftp=${folder},bootfile=http://10.0.2.4/boot.ipxe`;
    const args = [launcher, 'run', '--boot', 'net', '--net', net, '--timeout', `${LIMIT_SECONDS}`];
    const child = spawn(process.execPath, args);
    const complaints = text(child.stderr);
    let shown = '';
    child.stdout.on('data', (chunk) => {
      if (!shown.includes(PROMPT) && `${shown}${chunk}`.includes(PROMPT))
        child.stdin.write('cat /proc/cmdline; poweroff\n');
      shown += chunk;
    });
    const [status] = await once(child, 'close');
    assert.equal(status, 0, `${await complaints}${shown.slice(-2000)}`);
    assert.match(shown, /booted=http:\/\/10\.0\.2\.4\/boot\.ipxe\r\n/);
  });
});
