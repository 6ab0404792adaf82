"""One training, from config to result: model, compile, callbacks, fit; and its checks."""
