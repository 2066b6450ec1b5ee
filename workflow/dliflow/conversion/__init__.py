"""What makes a framework's files of the interchange form. Never imported by what is measured."""
