/**
 * The wait before attempt `tries` (0 = first) to connect again: doubles from 1 s to 60 s, and half of it is random so that many
 * pages do not return at the same moment.
 */
export function delayMs(tries: number, random: number): number {
  const ceiling = Math.min(60_000, 1000 * 2 ** Math.min(tries, 6));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}
