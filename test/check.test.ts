import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { projectRoot } from './source-files.ts';

/** Runs a tool of the project's own packages over the whole project; resolves to its complaints, none when it is content. */
function complaintsOf(tool: string, args: readonly string[]): Promise<string> {
  const program = join(projectRoot, 'node_modules', tool);
  const options = { cwd: projectRoot, maxBuffer: 2 ** 26 };
  return new Promise((resolve) =>
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) =>
      resolve(error === null ? '' : `${stdout}${stderr}` || error.message),
    ),
  );
}

const types = (project: string) => complaintsOf('typescript/bin/tsc', ['-p', project]);

describe('the sources', () => {
  it('are formatted, and the linter finds nothing in them', async () => {
    assert.equal(await complaintsOf('@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.']), '');
  });

  it('type-check in Node', async () => {
    assert.equal(await types('tsconfig.json'), '');
  });

  it('type-check in the core without the types of any host', async () => {
    assert.equal(await types('tsconfig.core.json'), '');
  });

  it('type-check in the browser', async () => {
    assert.equal(await types('tsconfig.browser.json'), '');
  });
});
