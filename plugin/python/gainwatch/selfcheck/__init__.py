"""What gainwatch finds out by itself of the connections it watches, in the background: what they
are at the start (`table`), and what goes on being looked at (`running`). Nothing is believed that a
sample can refute, and nothing is said that none can show."""
