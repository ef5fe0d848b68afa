/** Runs that mostly stay well: plateaus, returns, healthy mHC, short ones, bad batches. */
import { clip, type Family, fixed, hc, mhc, ramp, stepAt } from './parts.ts';

export const QUIET: Family[] = [
  {
    name: 'plateau',
    tuning: [
      hc(10, 2e-3, 3000),
      hc(7, 2e-3, 3000, clip),
      hc(7, 2.5e-3, 3000, fixed),
      hc(10, 1.5e-3, 3000, clip),
      hc(6, 3e-3, 3000),
      hc(6, 5e-3, 2000, clip),
    ],
    heldOut: [
      hc(8, 2e-3, 3500),
      hc(12, 1.5e-3, 3000),
      hc(8, 2e-3, 3500, clip),
      hc(5, 4e-3, 3500),
      hc(5, 3e-3, 3500, clip),
      hc(8, 2.5e-3, 3000, fixed),
      hc(5, 6e-3, 2000, fixed),
    ],
  },
  {
    name: 'rise-and-return',
    tuning: [
      hc(10, 4e-3, 1800, ramp(300, 450, 0.1)),
      hc(7, 6e-3, 1800, { ...clip, ...ramp(250, 400, 0.1) }),
      hc(7, 5e-3, 2000, stepAt(300, 0.05)),
    ],
    heldOut: [
      hc(8, 4e-3, 2000, ramp(300, 450, 0.1)),
      hc(12, 4e-3, 1800, { ...clip, ...ramp(300, 400, 0.1) }),
      hc(8, 5e-3, 2000, { ...clip, ...stepAt(300, 0.05) }),
      hc(5, 6e-3, 2000, ramp(300, 600, 0.1)),
    ],
  },
  {
    name: 'mhc-healthy',
    tuning: [mhc(6, 6e-3, 2500), mhc(7, 4e-3, 2000, clip), mhc(6, 4e-3, 2000, { connection: 'mhc-deepseek' })],
    heldOut: [
      mhc(5, 6e-3, 3500),
      mhc(8, 4e-3, 3000),
      mhc(5, 8e-3, 3000, clip),
      mhc(5, 4e-3, 3000, { connection: 'mhc-deepseek' }),
      mhc(8, 2e-3, 2000, clip),
    ],
  },
  {
    name: 'mhc-half',
    tuning: [mhc(6, 4e-3, 1000, { half: true })],
    heldOut: [mhc(5, 4e-3, 1500, { half: true }), mhc(8, 6e-3, 1000, { half: true })],
  },
  {
    name: 'short',
    tuning: [
      hc(6, 1e-3, 300),
      hc(10, 2e-3, 300),
      hc(7, 3e-3, 300, clip),
      hc(10, 6e-3, 300, clip),
      hc(6, 6e-3, 300, fixed),
      mhc(7, 6e-3, 300),
    ],
    heldOut: [
      hc(5, 1e-3, 300),
      hc(12, 2e-3, 300),
      hc(8, 3e-3, 300, clip),
      hc(12, 8e-3, 300),
      hc(5, 6e-3, 300, fixed),
      mhc(8, 6e-3, 300),
      hc(12, 1e-3, 300, clip),
      hc(8, 1e-3, 300, { width: 32 }),
    ],
  },
  {
    name: 'poisoned',
    tuning: [hc(7, 1.5e-3, 1500, { poison: { step: 700, count: 5 } }), mhc(6, 4e-3, 1200, { poison: { step: 500, count: 10 } })],
    heldOut: [
      hc(8, 1.5e-3, 1500, { poison: { step: 700, count: 5 } }),
      hc(5, 3e-3, 1500, { ...clip, poison: { step: 500, count: 20 } }),
      mhc(5, 4e-3, 1200, { poison: { step: 500, count: 10 } }),
      hc(8, 1e-3, 1500, { poison: { step: 900, count: 1 } }),
    ],
  },
  {
    name: 'residual',
    tuning: [hc(7, 4e-3, 1500, { connection: 'residual' })],
    heldOut: [hc(8, 4e-3, 2000, { connection: 'residual' }), hc(12, 6e-3, 1500, { connection: 'residual', ...clip })],
  },
];
