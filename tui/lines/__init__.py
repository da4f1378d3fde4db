"""Line by line, without a full screen: the line loop, its prompt, and single questions."""
