/**
 * The families of runs, as tables: the tuning half to the left of the bar, the held-out half to the right. Each run: connection,
 * blocks, learning rate, steps, and what else is special of it, in the words of runs.ts.
 */
export const FAMILIES: Readonly<Record<string, string>> = {
  // What makes a gain rise or a model collapse: learning rates, and single connections that are disturbed.
  constant: `
    hc         7 6e-3   1200                 | hc         8 5e-3   1200
    hc        10 4e-3   1500 clip            | hc        12 4e-3   1500 clip
    hc        10 6e-3   1000                 | hc         8 6e-3   1200 clip warmup:100
    hc         7 5e-3   1500 clip warmup:100 | hc        12 6e-3    800
    hc-static 10 5e-3   1000                 | hc-static  8 8e-3    800
    hc         7 8e-3   1000 width:32        | hc        12 3e-3   2500 clip
    hc        10 3e-3   2500 warmup:100      | hc         8 4e-3   1500 width:32
    hc-static  7 4e-3   2000                 | hc        12 5e-3   1000 warmup:200
                                             | hc         8 7e-3   1000 width:24 clip
                                             | hc-static 12 4e-3   1500`,
  'slow-warm-up': `
    hc         7 7e-3   3000 warmup:2500      | hc         8 7e-3   3000 warmup:2500
    hc        10 6e-3   3000 clip warmup:2500 | hc        12 6e-3   3000 clip warmup:3000
    hc         7 6e-3   3000 clip warmup:1500 | hc         8 6e-3   3000 clip warmup:2000
    hc        10 5e-3   3000 warmup:2000      | hc        12 5e-3   3000 warmup:2500
    hc-static 10 6e-3   3000 warmup:3000      | hc-static  8 7e-3   3000 warmup:3000
    hc         7 8e-3   3000 clip warmup:3000 | hc         8 8e-3   3000 clip warmup:3500
                                              | hc        12 5e-3   3000 clip warmup:2500
                                              | hc         8 6e-3   3500 width:32 warmup:3000`,
  'rate-step': `
    hc         7 1.2e-3 2500 from:1200,5      | hc         8 1.2e-3 2500 from:1300,5
    hc        10 1e-3   2500 clip from:1000,5 | hc        12 1e-3   2500 clip from:1000,5
    hc-static 10 1.2e-3 2500 from:1500,4      | hc         8 1.2e-3 2500 clip from:1400,5
    hc         7 1.5e-3 2200 clip from:900,5  | hc        12 1.2e-3 2500 from:1200,4
                                              | hc-static  8 1.5e-3 2500 from:1100,5
                                              | hc         8 1e-3   2500 clip from:1200,7`,
  'disturbed-rate': `
    hc         7 2e-3   2200 learning-rate:5,1100,30      | hc         8 2e-3   2200 learning-rate:6,1100,30
    hc        10 1.5e-3 2200 clip learning-rate:12,800,30 | hc        12 1.5e-3 2000 clip learning-rate:15,900,30
    hc         7 2e-3   2200 clip learning-rate:9,1200,30 | hc         8 2e-3   2200 clip learning-rate:11,1200,30
    hc-static 10 2e-3   1500 learning-rate:3,500,30       | hc-static  8 2.5e-3 1500 learning-rate:2,500,30
                                                          | hc        12 2e-3   1500 learning-rate:19,600,30
                                                          | hc         5 2e-3   2000 learning-rate:4,700,30
                                                          | hc         8 1.5e-3 2200 learning-rate:8,1000,30`,
  'disturbed-b_res': `
    hc         7 2e-3   1500 b_res:4,600,1         | hc         8 2e-3   1500 b_res:7,600,1
    hc        10 1.5e-3 1500 clip b_res:14,500,1.5 | hc        12 1.5e-3 1300 clip b_res:16,400,1.5
                                                   | hc         5 2e-3   1500 b_res:3,500,2
                                                   | hc-static  8 2e-3   1500 b_res:12,700,1`,
  'mhc-disturbed': `
    mhc           6 4e-3   1200 sinkhorn:3,400,1       | mhc           5 4e-3   1200 sinkhorn:4,400,1
    mhc           6 4e-3   1500 learning-rate:7,400,30 | mhc           8 4e-3   1200 sinkhorn:9,300,1
    mhc           7 4e-3   1200 b_res:8,400,8          | mhc           5 4e-3   1500 learning-rate:6,400,30
    mhc           7 6e-3   1500 learning-rate:4,300,30 | mhc           8 6e-3   1200 learning-rate:5,300,30
                                                       | mhc           5 4e-3   1200 b_res:2,400,8
                                                       | mhc           8 4e-3   1200 b_res:10,400,8
                                                       | mhc-deepseek  5 6e-3   1200 learning-rate:3,300,30
                                                       | mhc           8 6e-3   1200 clip sinkhorn:12,500,1
                                                       | mhc           5 6e-3   1200 sinkhorn:7,300,2
                                                       | mhc           5 6e-3   1200 clip b_res:5,300,8`,
  'mhc-few-iterations': `
    mhc           6 6e-3   1500 iterations:1      | mhc           5 6e-3   1500 iterations:1
    mhc           7 8e-3   1500 iterations:2      | mhc           8 8e-3   1500 iterations:1
    mhc           6 8e-3   1500 clip iterations:1 | mhc           5 8e-3   1500 iterations:2
                                                  | mhc           8 8e-3   1500 clip iterations:3`,
  'mhc-large-logits': `
    mhc           6 4e-3   1000 logitStd:4 | mhc           5 4e-3   1000 logitStd:4
    mhc           7 6e-3   1000 logitStd:8 | mhc           8 6e-3   1000 logitStd:8
    mhc           6 2e-3   1000 logitStd:2 | mhc           5 2e-3   1000 logitStd:2`,

  // Runs that mostly stay well: plateaus, returns, healthy mHC, short ones, bad batches.
  plateau: `
    hc        10 2e-3   3000      | hc         8 2e-3   3500
    hc         7 2e-3   3000 clip | hc        12 1.5e-3 3000
    hc-static  7 2.5e-3 3000      | hc         8 2e-3   3500 clip
    hc        10 1.5e-3 3000 clip | hc         5 4e-3   3500
    hc         6 3e-3   3000      | hc         5 3e-3   3500 clip
    hc         6 5e-3   2000 clip | hc-static  8 2.5e-3 3000
                                  | hc-static  5 6e-3   2000`,
  'rise-and-return': `
    hc        10 4e-3   1800 ramp:300,450,0.1      | hc         8 4e-3   2000 ramp:300,450,0.1
    hc         7 6e-3   1800 clip ramp:250,400,0.1 | hc        12 4e-3   1800 clip ramp:300,400,0.1
    hc         7 5e-3   2000 from:300,0.05         | hc         8 5e-3   2000 clip from:300,0.05
                                                   | hc         5 6e-3   2000 ramp:300,600,0.1`,
  'mhc-healthy': `
    mhc           6 6e-3   2500      | mhc           5 6e-3   3500
    mhc           7 4e-3   2000 clip | mhc           8 4e-3   3000
    mhc-deepseek  6 4e-3   2000      | mhc           5 8e-3   3000 clip
                                     | mhc-deepseek  5 4e-3   3000
                                     | mhc           8 2e-3   2000 clip`,
  'mhc-half': `
    mhc           6 4e-3   1000 half | mhc           5 4e-3   1500 half
                                     | mhc           8 6e-3   1000 half`,
  short: `
    hc         6 1e-3    300      | hc         5 1e-3    300
    hc        10 2e-3    300      | hc        12 2e-3    300
    hc         7 3e-3    300 clip | hc         8 3e-3    300 clip
    hc        10 6e-3    300 clip | hc        12 8e-3    300
    hc-static  6 6e-3    300      | hc-static  5 6e-3    300
    mhc           7 6e-3    300   | mhc           8 6e-3    300
                                  | hc        12 1e-3    300 clip
                                  | hc         8 1e-3    300 width:32`,
  poisoned: `
    hc         7 1.5e-3 1500 poison:700,5     | hc         8 1.5e-3 1500 poison:700,5
    mhc           6 4e-3   1200 poison:500,10 | hc         5 3e-3   1500 clip poison:500,20
                                              | mhc           5 4e-3   1200 poison:500,10
                                              | hc         8 1e-3   1500 poison:900,1`,
  residual: `
    residual   7 4e-3   1500 | residual   8 4e-3   2000
                             | residual  12 6e-3   1500 clip`,

  // Further learning rates: what rises fast, slowly, late or not at all.
  'very-high-rate': `
    hc         7 3e-2    600 | hc         8 3e-2    600
    hc        10 1.5e-2  600 | hc        12 2e-2    600 clip
                             | hc         5 3e-2    800`,
  'slow-ramp': `
    hc         7 1e-3   4000 ramp:500,4000,7      | hc         8 1e-3   4000 ramp:500,4000,7
    hc        10 1e-3   4000 clip ramp:500,4000,6 | hc        12 1e-3   3500 clip ramp:500,3500,6
                                                  | hc         8 1e-3   4000 clip ramp:1000,4000,7`,
  'low-rate': `
    hc         7 5e-4   3000      | hc         8 5e-4   3500
    hc         6 1e-3   3000 clip | hc         5 1e-3   3500 clip
                                  | hc         5 2e-3   3500
                                  | hc-static  5 1.5e-3 3000`,
  'late-rise': `
    hc         7 1e-3   2500 from:1200,9               | hc         8 1e-3   2500 from:1300,9
    hc        10 1e-3   2500 from:1400,7               | hc        12 1e-3   2200 from:1200,7
    hc         7 1.2e-3 2500 clip ramp:1000,1600,9     | hc         8 1.2e-3 2500 clip ramp:1100,1600,9
    hc        10 1.2e-3 2500 clip ramp:1100,1300,7     | hc        12 1.2e-3 2500 clip ramp:1200,1500,7
    hc-static 10 1e-3   2500 from:1200,9               | hc-static 12 1e-3   2500 from:1400,7
    hc        10 1e-3   3000 ramp:1000,2500,10         | hc        12 1e-3   2500 ramp:1000,2200,9
    hc         7 1e-3   2500 width:32 from:1200,9      | hc         8 1e-3   2500 width:32 from:1200,9
    hc        10 1.2e-3 2200 from:1100,6               | hc        12 1e-3   2200 clip from:1300,8
    hc        10 1.5e-3 2200 clip from:1200,5          | hc         8 1e-3   2500 clip ramp:1100,1300,10
    hc        10 1e-3   2500 ramp:1000,1500,8          | hc        12 1.2e-3 2200 width:24 from:1300,6
    hc        10 1.2e-3 2500 width:24 ramp:1000,1800,7 | hc        12 1.5e-3 2200 ramp:1100,1200,5
    hc        10 1e-3   2200 clip from:1200,9          | hc-static  8 1.2e-3 2500 from:1100,9
                                                       | hc        12 1.2e-3 2500 ramp:1000,1800,7
                                                       | hc        12 1e-3   2500 clip ramp:1000,1500,9
                                                       | hc        12 1.5e-3 2200 clip from:1100,5
                                                       | hc        12 1.2e-3 2200 from:1500,7`,
  'fast-rise': `
    hc        10 5e-3   1000                    | hc        12 5e-3   1000 clip
    hc         7 7e-3   1000 clip               | hc         8 7e-3   1000
    hc        10 7e-3    800 width:24 warmup:50 | hc        12 7e-3    800 width:24 warmup:50
    hc-static 10 4e-3   1200                    | hc        12 4e-3   1200 width:32
    hc-static  7 9e-3    800                    | hc-static  8 9e-3    800 clip
    hc        10 8e-3    800 clip warmup:150    | hc        12 8e-3    800 warmup:150`,
  // More of what is hard to tell apart, to tune with.
  'near-and-over': `
    hc        10 1e-3   2200 from:1100,7                |
    hc        10 1.2e-3 2200 clip from:1200,6           |
    hc        10 1.5e-3 2200 ramp:1100,1400,5           |
    hc        10 1e-3   2500 clip ramp:1000,1800,9      |
    hc-static 10 1e-3   2200 from:1100,10               |
    hc         7 1e-3   2200 from:1100,10               |
    hc         7 1.2e-3 2200 clip from:1200,9           |
    hc         7 1e-3   2500 width:24 ramp:1000,1600,11 |
    hc         6 1e-3   2200 from:1200,12               |
    hc         6 1.2e-3 2200 clip ramp:1100,1500,10     |
    hc        10 2e-3   2200 clip from:1300,3           |
    hc         7 2e-3   2200 from:1200,4                |
    hc        10 6e-3    900 clip                       |
    hc        10 5e-3   1200 warmup:200                 |
    hc        10 7e-3    800 width:32                   |
    hc         7 6e-3   1200 clip warmup:50             |
    hc-static  7 8e-3   1000                            |
    hc         7 1e-2    800 clip                       |
    hc         6 8e-3   1000                            |
    hc         6 7e-3   1200 clip width:24              |
    hc        10 4e-3   1500 warmup:100                 |
    hc        10 3.5e-3 1500                            |
    hc        10 5e-3   2500 warmup:1000                |
    hc         7 7e-3   2500 clip warmup:1000           |
    hc        10 2.5e-3 2500 clip                       |
    hc         7 3e-3   2500                            |
    hc        10 1e-3   3500 ramp:500,3500,9            |
    hc        10 1e-3   3500 clip ramp:1000,3000,8      |`,
};
