import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { loadDefaultGuest } from '../src/cli/default-guest.ts';
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
    const { kernel, initrd = new Uint8Array(0) } = await loadDefaultGuest('');
    mkdirSync(join(folder, 'linux'));
    for (const [name, content] of Object.entries({
      'boot.ipxe': SCRIPT,
      'linux/kernel': kernel,
      'linux/initrd': initrd,
    }))
      writeFileSync(join(folder, name), content);
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
