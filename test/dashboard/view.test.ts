/** The whole view in the address, and back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AROUND, DEFAULT_VIEW, filterOf, matcherOf, readView, type View, writeView } from '../../dashboard/model/view.ts';

const name = fc.string({ minLength: 1, maxLength: 12 });
const views: fc.Arbitrary<View> = fc.record({
  run: fc.option(name),
  compare: fc.array(name),
  hidden: fc.array(name),
  gain: fc.constantFrom('composite', 'layer'),
  direction: fc.constantFrom('forward', 'backward'),
  picked: fc.array(name),
  filter: fc.string(),
  x: fc.constantFrom('step', 'time'),
  log: fc.boolean(),
  smooth: fc.constantFrom(0, 0.5, 0.95),
  from: fc.option(fc.nat()),
  to: fc.option(fc.nat()),
  follow: fc.boolean(),
  sort: fc.constantFrom('layer', 'gain', 'left'),
  open: fc.option(name),
  severities: fc.constantFrom('critical,warning', 'info', ''),
  warning: fc.option(fc.nat()),
  around: fc.constantFrom(...AROUND),
  order: fc.option(fc.constantFrom('gain-descending', 'run-ascending')),
});

describe('a view', () => {
  it('is the same after it went through an address', () => {
    fc.assert(
      fc.property(views, (view) => {
        expect(readView(`#${writeView(view)}`)).toEqual(view);
      }),
    );
  });

  it('that is the default leaves the address empty', () => {
    expect(writeView(DEFAULT_VIEW)).toBe('');
    expect(readView('')).toEqual(DEFAULT_VIEW);
  });

  it('takes what it cannot read as by default', () => {
    expect(readView('#run=hc&x=parsec&sort=&from=-3&to=x&smooth=7&log=maybe&unknown=1')).toEqual({
      ...DEFAULT_VIEW,
      run: 'hc',
      smooth: 0.99,
      log: false,
    });
    fc.assert(fc.property(fc.string(), (hash) => void readView(hash)));
  });
});

it('a filter is a regular expression, or none', () => {
  expect(filterOf('block1\\.')?.test('BLOCK1.mlp')).toBe(true);
  expect(filterOf('(')).toBeNull();
  expect([matcherOf({ filter: '(' })('a'), matcherOf({ filter: 'b' })('a')]).toEqual([true, false]);
});
