"""What every wing knows of a title: its facts, its vector, the track record of its people as of a day."""
