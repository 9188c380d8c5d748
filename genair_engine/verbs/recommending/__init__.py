"""Using a trained run: lists, reasons, new items, audiences, export."""
