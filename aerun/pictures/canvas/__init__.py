"""What the pictures of `aerun.pictures` share: one style for charts, one for sheets of images, and where drawings are kept."""
