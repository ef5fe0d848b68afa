"""What people train, made small for tests: real packages where they can be had, and stand-ins of
the same structure elsewhere. No adapter is used here."""
