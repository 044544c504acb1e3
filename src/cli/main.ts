import { runProcess } from './process.ts';

await runProcess({
  async run(image, options) {
    const { run } = await import('./run.ts');
    return run(image, options);
  },
});
