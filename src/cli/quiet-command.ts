import type { Command } from 'commander';

/** Has a command throw what is wrong with its words, for us to tell in one line, and print nothing but its help. */
export function quiet(command: Command): Command {
  return command
    .helpOption('-h, --help', 'print this help')
    .helpCommand(false)
    .exitOverride()
    .showSuggestionAfterError(false)
    .configureOutput({ writeErr: () => {} });
}
