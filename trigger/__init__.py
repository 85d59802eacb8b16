"""The trigger of a kaon experiment as pure computation: arrays in, arrays out."""
