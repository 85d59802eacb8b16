"""The STRAW algorithm: from the edges of the straws to tracks, and what they say of the event."""
