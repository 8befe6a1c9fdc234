import type { Phase } from '../report/progress.ts';
import type { SurveyEvent } from '../survey/survey.ts';

/** Shows on a phase's lines how far the reading of its hosts is. */
export function shownOn(phase: Phase): (event: SurveyEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'reading':
        return phase.update(event.host, 'reading');
      case 'read':
        return phase.done(event.host, 'read');
      case 'unread':
        return phase.failed(event.host, `not read: ${event.problems.map(({ code }) => code).join(', ')}`);
    }
  };
}
