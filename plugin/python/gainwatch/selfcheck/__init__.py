"""What gainwatch finds out by itself of the connections it watches, in the background: what is told of them at the start (`table`), and what
goes on being looked at (`running`). Nothing is believed that a sample can show to be wrong, and nothing is said that it cannot show."""
