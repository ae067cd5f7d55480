"""A sweep as one page of HTML: what was asked, what came out and how sure it is. Nothing on it comes from elsewhere."""
