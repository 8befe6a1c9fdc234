import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';

/**
 * Gives the program its `completion` command, which prints a shell's script, and the hidden `complete` command
 * that the script calls back for suggestions.
 */
export function addCompletion(program: Command): void {
  tab(program, { completionCommandName: 'completion' });
}
