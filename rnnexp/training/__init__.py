"""The training of one model, from config to result: model, compile, callbacks, fit, and checks."""
