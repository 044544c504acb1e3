// The disk that `vitrine image build debian` makes, as a guest here and under QEMU: `npm run guests:debian`.
import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { NIC_MODELS, type NicModel } from '../../src/boards/cards.ts';
import { VitrineProgram } from '../guests/agent-guest.ts';

const { VITRINE_DEBIAN_IMAGES: IMAGES, VITRINE_ARCHITECTURES, VITRINE_NICS } = process.env;
const ARCHITECTURES = VITRINE_ARCHITECTURES?.split(',') ?? ['amd64', 'i386'];
const MODELS = NIC_MODELS.filter((model) => VITRINE_NICS?.split(',').includes(model) ?? true);
/** Which drivers say that they are used. */
const DRIVERS: Readonly<Record<NicModel, RegExp>> = {
  virtio: /^by virtio_net$/m,
  e1000: /^by e1000$/m,
  rtl8139: /^by 8139(too|cp)$/m,
  ne2k: /^by ne2k-pci$/m,
};
const MACHINES: Readonly<Record<string, string>> = { amd64: 'x86_64', i386: 'i686' };
const MEMORY = '512M';
const PATIENCE_SECONDS = 1200;
const OUTPUT_BYTES = 100 << 20;
const FILE_BYTES = 200 << 20;
/** What is installed: a program with its library and the library's data. */
const PACKAGES = ['file', 'libmagic1', 'libmagic-mgc'];
/** Has the card whose address is `$1` alone be up, and installs by it. */
const INSTALL = `set -e; export DEBIAN_FRONTEND=noninteractive
for card in /sys/class/net/e*; do
  if grep -q $1 $card/address; then only=$card; else ip link set \${card##*/} down; fi
done
ip link set \${only##*/} up
source=$(grep -rhoE '//[^/ ]+' /etc/apt/sources.list* | head -1 | cut -c3- | cut -d: -f1)
until ip route | grep -q "default .* \${only##*/} " && getent ahostsv4 $source > /dev/null; do sleep 0.5; done
echo "by $(basename $(readlink -f $only/device/driver))"
rm -rf /var/lib/apt/lists/*; apt-get clean
apt-get update -o APT::Update::Error-Mode=any
apt-get install -y --no-install-recommends ${PACKAGES[0]}
dpkg -V ${PACKAGES.join(' ')}
file -Lb /bin/sh
apt-get purge -y ${PACKAGES.join(' ')}
`;

const addressOf = (model: NicModel) => `52:54:00:00:00:0${NIC_MODELS.indexOf(model)}`;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

for (const architecture of ARCHITECTURES) {
  describe(`Debian from image build, ${architecture}`, { timeout: 7_200_000 }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'vitrine-debian-'));
    const vitrine = new VitrineProgram(folder);
    const image = join(IMAGES ?? folder, `${architecture}.qcow2`);
    const running: ChildProcess[] = [];

    /** Starts a machine with all cards that leaves the image as it is, and waits until all of it has started. */
    async function start(name: string): Promise<void> {
      const words = ['--disk', `${image},bus=virtio,overlay`, '--serial', `file:${join(folder, name)}`];
      const cards = MODELS.flatMap((model) => ['--net', `user,model=${model},mac=${addressOf(model)}`]);
      running.push(await vitrine.startNamed(name, ['--memory', MEMORY, ...words, ...cards]));
      const wait = [
        'exec',
        '-n',
        '--wait',
        `${PATIENCE_SECONDS}`,
        name,
        '--',
        'systemctl',
        'is-system-running',
        '--wait',
      ];
      const { stdout, stderr } = await vitrine.run(wait);
      assert.equal(stdout.toString(), 'running\n', stderr);
    }

    function end(): void {
      running.pop()?.kill();
    }

    before(async () => {
      if (existsSync(image)) return;
      const { status, stderr } = await vitrine.run(['image', 'build', 'debian', '--arch', architecture, image]);
      assert.equal(status, 0, stderr);
    });
    after(() => {
      while (running.length > 0) end();
      rmSync(folder, { recursive: true });
    });

    it('boots to a login under QEMU', async (t) => {
      const program = `qemu-system-${MACHINES[architecture].replace('i686', 'i386')}`;
      if (spawnSync(program, ['--version']).status !== 0) return t.skip(`${program} is absent`);
      const machine = ['-accel', 'tcg', '-m', MEMORY, '-display', 'none', '-serial', 'stdio', '-no-reboot'];
      const qemu = spawn(program, [...machine, '-snapshot', '-drive', `file=${image},if=virtio`]);
      running.push(qemu);
      let output = '';
      qemu.stdout.on('data', (chunk) => {
        output += chunk;
      });
      const says = async (pattern: RegExp) => {
        for (const last = Date.now() + PATIENCE_SECONDS * 1000; !pattern.test(output); await setTimeout(100))
          assert.ok(Date.now() < last && qemu.exitCode === null, output);
      };
      await says(/ login: $/);
      qemu.stdin.write('root\n');
      await says(/:~# /);
      qemu.stdin.write('uname -m\n');
      await says(new RegExp(`^${MACHINES[architecture]}\r$`, 'm'));
      end();
    });

    it('boots to a login here, and obeys exec', async () => {
      await start('shell');
      assert.match(readFileSync(join(folder, 'shell'), 'latin1'), / login: /);
      const { stdout } = await vitrine.run(['exec', '-n', 'shell', '--', 'uname', '-a']);
      assert.match(stdout.toString(), new RegExp(`^Linux .* ${MACHINES[architecture]} GNU/Linux\n$`));
      const failing = await vitrine.run(['exec', '-n', 'shell', '--', 'ls', '/nowhere']);
      assert.deepEqual([failing.status, failing.stdout.length], [2, 0]);
      assert.match(failing.stderr, /^ls: .*No such file/);
    });

    it('gives 100 MiB of output without loss', async () => {
      const script = `head -c ${OUTPUT_BYTES} /dev/urandom | tee /tmp/output; sha256sum < /tmp/output >&2; rm /tmp/output`;
      const { status, stdout, stderr } = await vitrine.run(['exec', '-n', 'shell', '--', 'sh', '-c', script]);
      assert.deepEqual([status, stdout.length, stderr.split(' ')[0]], [0, OUTPUT_BYTES, sha256(stdout)]);
    });

    it('takes a file of 200 MiB by cp, and gives it back', async () => {
      const [file, back] = [join(folder, 'file'), join(folder, 'back')];
      const data = randomBytes(FILE_BYTES);
      writeFileSync(file, data);
      assert.equal((await vitrine.run(['cp', file, 'shell:/srv/file'])).status, 0);
      assert.equal((await vitrine.guestSays('shell', 'sha256sum /srv/file')).split(' ')[0], sha256(data));
      assert.equal((await vitrine.run(['cp', 'shell:/srv/file', back])).status, 0);
      assert.equal(sha256(readFileSync(back)), sha256(data));
    });

    for (const model of MODELS) {
      it(`fetches its lists anew and installs a package, ${model}`, async (t) => {
        const words = ['exec', '-n', 'shell', '--', 'timeout', '3000', 'bash', '-c', INSTALL, 'bash', addressOf(model)];
        const { status, stdout, stderr } = await vitrine.run(words);
        assert.equal(status, 0, `${stdout}${stderr}`);
        const said = stdout.toString();
        assert.match(said, DRIVERS[model]);
        assert.match(said, /^ELF .* executable/m);
        t.diagnostic([...said.matchAll(/^(?:by|Fetched) .*/gm)].join('; '));
      });
    }
  });
}
